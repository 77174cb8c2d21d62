"""Finds the records of CSV.

What a record is (RFC 4180, and what it leaves open):

- LF, CRLF and CR end a line, in any mix. A record is one line, or several where a quoted cell holds line breaks.
- A blank line (no bytes at all) is no record. A byte order mark before the first record is no part of it.
- A cell is quoted if a quote is its first byte; inside, a doubled quote is a quote. After the closing quote stands
  the delimiter, a line break or the end of the file; other text there is malformed. A quote inside an unquoted
  cell, as in `5" pipe`, is data: no reader takes it for anything else, and nothing is lost by it.
- Where the record that begins at a line cannot be read (one of these defects, a quote that is never closed, no end
  within the limit), that *physical line alone* is the malformed record, and framing begins afresh at the next.
- A line longer than the limit is a record whose bytes are skipped, in bounded memory.
- A record that holds a NUL byte, or is not UTF-8, is defective.
- With an escape, the character after it means nothing, inside quotes or outside, unless it is a line break: a
  record that ends in an escape is malformed, and the next one its own. Doubled quotes remain quotes.
- With quoting off, a quote is data, and every line is a record.
- With a comment character, a line that begins with it where a record could begin is no record.
- Lines to skip are lines, whatever stands in them. A footer's lines are counted from the end, blank ones left out.

numpy works on lines: what each would be *if* a record began there follows from the parity of the quotes before it,
for all lines at once. The true beginnings are then those reached from the first line. So time is linear, whatever
the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from include.engine.frame import (
    CR,
    DANGLING_ESCAPE,
    LF,
    TEXT_AFTER_QUOTE,
    UNCLOSED_QUOTE,
    Bools,
    Cut,
    Framer,
    Ints,
    Octets,
    Start,
    bounded,
)

_NONE = np.iinfo(np.int64).max
_NOWHERE = np.zeros(0, np.int64)


@dataclass(slots=True)
class _Guess:
    """For each line, the record that would begin there.

    Args:
        last: its last line; the number of lines, where it does not end in this block.
        defects: what is wrong with it.
        doubtful: parity cannot tell, it has to be read.
    """

    last: Ints
    defects: Octets
    doubtful: Bools

    def skip(self, lines: Bools) -> None:
        """Let lines stand for themselves, whatever is in them."""
        self.last = np.where(lines, np.arange(len(lines)), self.last)
        self.defects[lines] = 0
        self.doubtful &= ~lines


@dataclass(frozen=True, slots=True)
class Dialect:
    """The characters that mean something in a CSV file, and what stands around its records.

    Args:
        delimiter: any character.
        quote, escape, comment: one ASCII character each; None: there is none.
        skip_lines: lines before the first record.
        footer_lines: lines after the last, blank ones not counted.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None
    skip_lines: int = 0
    footer_lines: int = 0

    @property
    def sign(self) -> str:
        """The ASCII character that is read as the delimiter: itself, or what stands for one that is none."""
        if self.delimiter.isascii():
            return self.delimiter
        return next(char for char in "\x1f\x1e\x1d\x1c" if char not in (self.quote, self.escape, self.comment))

    @property
    def special(self) -> bytes:
        """The characters that mean something."""
        return "".join(filter(None, (self.sign, self.quote, self.escape, self.comment))).encode()

    @property
    def filler(self) -> int:
        """A character that means nothing."""
        return next(byte for byte in b"x.-_~" if byte not in self.special)


class CsvFramer(Framer):
    """Frames CSV.

    Args:
        dialect: its characters, and how many lines stand before the first record.
        span: how often the dialect's sign stands for one delimiter (encode.py).
    """

    breaks = (b"\n", b"\r")
    blanks = b""

    def __init__(
        self,
        read: Callable[[int], bytes],
        *,
        block: int,
        limit: int,
        dialect: Dialect | None = None,
        span: int = 1,
        start: Start | None = None,
    ) -> None:
        super().__init__(read, block=block, limit=limit, start=start)
        dialect = dialect or Dialect()
        self._quote = ord(dialect.quote) if dialect.quote else -1
        self._delimiter = dialect.sign.encode()
        self._span = span
        self._escape = ord(dialect.escape) if dialect.escape else -1
        self._comments = (dialect.comment.encode(),) if dialect.comment else ()
        self._comment = [ord(dialect.comment)] if dialect.comment else []
        self._filler = dialect.filler
        self._skip = dialect.skip_lines
        self._around = np.zeros(256, np.bool_)  # what may stand before an opening and after a closing quote
        self._around[[ord(dialect.sign), LF, CR, max(self._quote, 0)]] = True

    def _begin(self) -> None:
        left = self._skip
        while left and (self._pending or not self._ended):
            at = self._pending.find(b"\n"), self._pending.find(b"\r")
            end = min((place for place in at if place >= 0), default=len(self._pending))
            is_pair = self._pending[end : end + 2] == b"\r\n"
            is_open = end + 1 >= len(self._pending) and self._pending[end:] != b"\n"  # a CR's LF may come yet
            if is_open and not self._ended:
                self._pass(end)
                self._fill()
                continue
            self._pass(end + 1 + is_pair)
            self._line += 1
            left -= 1

    def _pass(self, count: int) -> None:
        self._offset += min(count, len(self._pending))
        self._pending = self._pending[count:]

    def _lines(self, data: Octets) -> tuple[Ints, Ints]:
        feeds, returns = np.flatnonzero(data == LF), np.flatnonzero(data == CR)
        if len(returns) and returns[-1] == len(data) - 1 and not self._ended:
            returns = returns[:-1]  # its LF may be the next byte
        if not len(returns):
            return bounded(feeds, feeds + 1, len(data), self._ended)
        alone = feeds[(feeds == 0) | (data[feeds - 1] != CR)]
        breaks = np.sort(np.concatenate((alone, returns)))
        follower = np.minimum(breaks + 1, len(data) - 1)
        paired = (data[breaks] == CR) & (breaks + 1 < len(data)) & (data[follower] == LF)
        return bounded(breaks, breaks + 1 + paired, len(data), self._ended)

    def _cut(self, data: Octets, starts: Ints, ends: Ints) -> Cut:
        count = len(ends)
        filled = ends > starts[:count]
        comments = filled & np.isin(data[np.minimum(starts[:count], len(data) - 1)], self._comment) if count else filled
        escapes = escaping(np.flatnonzero(data == self._escape)) if self._escape >= 0 else _NOWHERE
        data, raw = self._without(escapes, data) if len(escapes) else (data, self._pending)
        quotes = np.flatnonzero(data == self._quote) if self._quote >= 0 else _NOWHERE
        if not len(quotes) or not count:
            first = np.flatnonzero(filled & ~comments)
            return self._marked(Cut(first, ends[first], np.zeros(len(first), np.uint8), count), escapes)
        guess = self._guess(data, quotes, starts, ends)
        guess.skip(comments)
        walker = _Walker(raw, starts, ends, self._delimiter, bytes([self._quote]), self._limit, self._ended)
        begins, decided = _true_beginnings(guess, walker)
        first = np.flatnonzero(begins & filled & ~comments)
        return self._marked(Cut(first, ends[guess.last[first]], guess.defects[first], decided), escapes)

    def _without(self, escapes: Ints, data: Octets) -> tuple[Octets, bytes]:
        """Put fillers where escaped characters stand: they mean nothing to what follows."""
        plain = data.copy()
        targets = escapes[escapes < len(data) - 1] + 1
        plain[targets[~np.isin(data[targets], (LF, CR))]] = self._filler
        delimiters = targets[data[targets] == ord(self._delimiter)]
        for at in range(1, self._span):  # an escape takes the meaning from all of a delimiter
            plain[delimiters[delimiters < len(data) - at] + at] = self._filler
        return plain, plain.tobytes()

    def _marked(self, cut: Cut, escapes: Ints) -> Cut:
        """Mark the records whose last character is an escape."""
        if len(escapes):
            cut.defects[np.isin(cut.ends - 1, escapes) & (cut.defects == 0)] = DANGLING_ESCAPE
        return cut

    def _guess(self, data: Octets, quotes: Ints, starts: Ints, ends: Ints) -> _Guess:
        """Say what the record would be that began at each line, from the parity of the quotes."""
        count = len(ends)
        left = np.where(quotes > 0, data[quotes - 1], LF)
        before, after = np.searchsorted(quotes, starts[:count]), np.searchsorted(quotes, ends)
        last = _last_lines(before, after)
        closed, end = last < count, np.minimum(last, count - 1)
        reach = np.where(closed, ends[end], len(data) - 1) - starts[:count]
        illegal = self._first_illegal(data, quotes, left, before)
        found = illegal < np.where(closed, after[end], _NONE)
        openers = quotes[self._around[left] & (left != self._quote)]
        plain = np.searchsorted(openers, starts[:count]) == np.searchsorted(openers, ends)  # every quote is data
        in_cell = found & (((illegal - before) & 1) == 0)  # the first illegal one is data, and upsets the parity
        broken = (found | (reach > self._limit) | (~closed & self._ended)) & ~in_cell & ~plain
        defects = np.where(illegal < after, TEXT_AFTER_QUOTE, UNCLOSED_QUOTE) * broken
        last = np.where(broken | plain, np.arange(count), last)
        return _Guess(last, defects.astype(np.uint8), in_cell & ~plain)

    def _first_illegal(self, data: Octets, quotes: Ints, left: Octets, before: Ints) -> Ints:
        """For each line, the index of the first quote from there on that cannot stand where it does."""
        right = np.where(quotes < len(data) - 1, data[np.minimum(quotes + 1, len(data) - 1)], LF)
        may_open, may_close = self._around[left], self._around[right]
        odd = (np.arange(len(quotes)) & 1).astype(np.bool_)
        found = np.full(len(before), _NONE, np.int64)
        for parity in (0, 1):  # of the number of quotes before the line: with it, quotes open
            illegal = np.flatnonzero(~np.where(odd == bool(parity), may_open, may_close))
            lines = np.flatnonzero((before & 1) == parity)
            at = np.searchsorted(illegal, before[lines])
            found[lines] = np.append(illegal, _NONE)[at]
        return found


class _Walker:
    """Reads single records cell by cell, where quotes inside unquoted cells make parity useless.

    Inside a quoted cell, how a record goes on from the beginning of a line does not depend on where it began: that is
    remembered, so that each line is walked over once, whatever the bytes.
    """

    def __init__(
        self, data: bytes, starts: Ints, ends: Ints, delimiter: bytes, quote: bytes, limit: int, ended: bool
    ) -> None:
        self._data, self._starts, self._ends = data, starts, ends
        self._delimiter, self._quote, self._limit, self._ended = delimiter, quote, limit, ended
        mark = re.escape(quote)
        self._body = re.compile(b"(?:[^" + mark + b"]|" + mark * 2 + b")*+", re.DOTALL)
        self._known: dict[int, tuple[int, bool]] = {}

    def walk(self, line: int) -> tuple[int, int]:
        """Read the record that begins at a line.

        Returns:
            its last line (the number of lines, where it does not end in this block) and what is wrong with it.
        """
        start, count = int(self._starts[line]), len(self._ends)
        last, is_bad = self._read(line)
        reach = (int(self._ends[last]) if last < count else len(self._data) - 1) - start
        if is_bad and last == line:
            return line, TEXT_AFTER_QUOTE
        if is_bad or reach > self._limit or (last == count and self._ended):
            return line, UNCLOSED_QUOTE
        return last, 0

    def _read(self, line: int) -> tuple[int, bool]:
        """Return the line on which the record ends, and whether something there is wrong."""
        position, inside = int(self._starts[line]), False
        crossed: list[int] = []
        while True:
            end = int(self._ends[line])
            if inside and self._close(position, end) == end:  # the cell goes on in the next line
                line += 1
                if line == len(self._ends) or line in self._known:
                    found = self._known.get(line, (line, False))
                    break
                crossed.append(line)
                position = int(self._starts[line])
                continue
            if not inside and position < end and self._data[position : position + 1] == self._quote:
                position, inside = position + 1, True
                continue
            position = self._close(position, end) + 1 if inside else self._cell_end(position, end)
            is_bad = position < end and self._data[position : position + 1] != self._delimiter
            if is_bad or position == end:
                found = (line, is_bad)
                break
            position, inside = position + 1, False
        self._known.update(dict.fromkeys(crossed, found))
        return found

    def _close(self, position: int, end: int) -> int:
        body = self._body.match(self._data, position, end)
        return body.end() if body else end

    def _cell_end(self, position: int, end: int) -> int:
        cut = self._data.find(self._delimiter, position, end)
        return end if cut < 0 else cut


def escaping(marks: Ints) -> Ints:
    """Return which escape characters escape what follows them: of a run of them, every other."""
    if not len(marks):
        return marks
    begins = np.append(True, np.diff(marks) != 1)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(marks)), 0))
    found: Ints = marks[((np.arange(len(marks)) - first) & 1) == 0]
    return found


def _last_lines(before: Ints, after: Ints) -> Ints:
    """For each line, the line on which a record that begins there ends: where its quotes are even again."""
    count = len(after)
    last = np.empty(count, np.int64)
    for parity in (0, 1):
        candidates = np.where((after & 1) == parity, np.arange(count), count)
        reached = np.minimum.accumulate(candidates[::-1])[::-1]
        lines = (before & 1) == parity
        last[lines] = reached[lines]
    return last


def _true_beginnings(guess: _Guess, walker: _Walker) -> tuple[Bools, int]:
    """Walk from the first line over the records' last lines; doubtful ones are read on the way.

    Returns:
        which lines begin a record, and how many lines are decided: a record without an end in this block is not.
    """
    count = len(guess.last)
    steps = np.flatnonzero(guess.doubtful | (guess.last != np.arange(count))).tolist()
    entered: list[int] = []
    left: list[int] = []
    position, decided = 0, count
    for line in steps:
        if line < position:
            continue
        if guess.doubtful[line]:
            guess.last[line], guess.defects[line] = walker.walk(line)
        end = int(guess.last[line])
        if end == count:
            decided = line
            break
        entered.append(line + 1)
        left.append(end + 1)
        position = end + 1
    depth = np.zeros(count + 1, np.int64)
    np.add.at(depth, entered, 1)
    np.subtract.at(depth, left, 1)
    begins = np.cumsum(depth)[:count] == 0
    begins[decided:] = False
    return begins, decided
