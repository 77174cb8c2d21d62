"""What is said about one failure: built from a task's context, shown as text and as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

_REASON = 1_000
_SUMMARY = 160
_FILES = 20
_SUBJECTS = {
    "deadline_missed": "deadline missed", "held": "files held", "redelivered": "files turned away",
    "evolved": "columns added", "dead_lettered": "files failed for good", "rejected": "files rejected",
    "service_down": "service down", "service_up": "service up",
}  # fmt: skip
_LOST = "the task ended without saying why: killed, out of memory, or its worker was lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One failure, as people are told of it.

    Args:
        kind: failure; held, of files that wait for a person; redelivered, of files that were turned away; rejected, of
            files that a person does not want; dead_lettered, of files that no run tries again; evolved, of new columns
            in the target; service_down and service_up, of a service that all datasets share; or
            deadline_missed, of a whole run (no task, no tries).
        map_index: of a mapped task; -1 for one that is not mapped.
        try_number: the try that failed, from 1.
        max_tries: tries in all; 0 where unknown.
        reason: what the error says, its own line first, at most 1,000 characters.
        files: the files that the error names, by URI.
        when: when it ended, UTC.
    """

    kind: str = "failure"
    dataset: str
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    max_tries: int = 0
    reason: str
    files: tuple[str, ...] = ()
    log_url: str = ""
    when: datetime

    @property
    def alert_id(self) -> str:
        """16 hexadecimal digits, the same each time one failure is told, so that a receiver knows a repeat."""
        task = (self.dag_id, self.run_id, self.task_id, self.map_index, self.try_number)
        parts = (self.kind, self.dataset, *task)
        return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]

    @property
    def subject(self) -> str:
        """One line of at most 200 characters."""
        what = _SUBJECTS.get(self.kind) or f"{self._task} failed"
        return _cut(f"[landfall] {self.dataset}: {what}: {self.reason.splitlines()[0]}", 200)

    @property
    def text(self) -> str:
        """All of it, a line for each thing."""
        return "\n".join(f"{name}: {value}" for name, value in self._lines() if value)

    def to_json(self) -> dict[str, Any]:
        """Return plain data with every field, the identity and the subject."""
        data = asdict(self)
        shown = {"files": list(self.files), "when": self.when.isoformat()}
        return {"alert_id": self.alert_id, "subject": self.subject, **data, **shown}

    @property
    def _task(self) -> str:
        return f"{self.task_id}[{self.map_index}]" if self.map_index >= 0 else self.task_id or "the run"

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "Dataset", self.dataset
        yield "Reason", self.reason
        yield "Files", _listed(self.files)
        yield "Task", f"{self._task} of {self.dag_id}" if self.task_id else ""
        yield "Run", f"{self.run_id} of {self.dag_id}" if self.run_id else ""
        tries = f" of {self.max_tries}" if self.max_tries else ""
        yield "Try", f"{self.try_number}{tries}" if self.try_number else ""
        yield "When", self.when.strftime("%Y-%m-%d %H:%M:%S UTC")
        yield "Log", self.log_url


def alert_from_context(context: Mapping[str, Any], dataset: str) -> Alert:
    """Make an alert of the context that Airflow hands to a failure callback.

    A context without an exception is what the DAG processor passes for a task whose process vanished; one
    without a task instance is that of a DAG-level callback. Both make an alert.
    """
    ti = context.get("ti") or context.get("task_instance")
    error = context.get("exception")
    tries = getattr(ti, "max_tries", None)
    return Alert(
        dataset=dataset,
        dag_id=str(getattr(ti, "dag_id", "") or getattr(context.get("dag"), "dag_id", "")),
        run_id=str(getattr(ti, "run_id", "") or context.get("run_id") or ""),
        task_id=str(getattr(ti, "task_id", "")),
        map_index=_whole(getattr(ti, "map_index", None), -1),
        try_number=_whole(getattr(ti, "try_number", None), 0),
        # Airflow counts the tries after the first.
        max_tries=0 if tries is None else int(tries) + 1,
        reason=reason_of(error if error is not None else context.get("reason")),
        files=_files(error),
        log_url=str(getattr(ti, "log_url", "")),
        when=getattr(ti, "end_date", None) or datetime.now(UTC),
    )


def reason_of(error: object) -> str:
    """Return an error's class and what it says: no control characters, known secrets masked, cut."""
    if error is None:
        return _LOST
    said = "\n".join(line for line in map(_printable, str(error).splitlines()) if line)
    if isinstance(error, BaseException):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return _cut(_redacted(said) or _LOST, _REASON)


def summary_of(error: object) -> str:
    """Return the first line of what an error says, at most 160 characters."""
    return _cut(reason_of(error).splitlines()[0], _SUMMARY)


def _files(error: object) -> tuple[str, ...]:
    seen: list[object] = []
    while isinstance(error, BaseException) and error not in seen:
        named = getattr(error, "files", None)
        if isinstance(named, Iterable) and not isinstance(named, str | bytes):
            return tuple(_printable(str(file)) for file in named)
        seen.append(error)
        error = error.__cause__
    return ()


def _listed(files: tuple[str, ...]) -> str:
    rest = len(files) - _FILES
    return ", ".join(files[:_FILES]) + (f" and {rest} more" if rest > 0 else "")


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) else default


def _redacted(text: str) -> str:
    from airflow.sdk.log import redact

    return str(redact(text))


def _printable(text: str) -> str:
    # A line break in a subject would forge mail headers; an escape sequence would rewrite a terminal.
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
