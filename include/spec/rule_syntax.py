"""From a rule's text to SQLGlot's tree: GoogleSQL only, one expression, bounded in size and depth."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from include.spec.rules import MAX_CHAIN, MAX_CHARACTERS, MAX_DEPTH, MAX_TOKENS, RuleRefused

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.dialects.bigquery import BigQuery
    from sqlglot.tokenizer_core import Token

# SQLGlot leaves what GoogleSQL refuses as it is, so it is refused here.
# https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#escape_sequences
_BAD_ESCAPE = re.compile(r"""(?:^|[^\\])(?:\\\\)*\\(?![abfnrtv\\?"'`]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})""")
_RECURSIVE = {"NOT", "DASH", "CASE", "L_PAREN", "L_BRACKET", "PLUS"}
_TOKENS = {
    "ALIAS", "AND", "BETWEEN", "CASE", "COMMA", "DASH", "DOT", "DPIPE", "ELSE", "END", "EQ", "FALSE", "FROM", "GT",
    "GTE", "IN", "IS", "LIKE", "LT", "LTE", "L_BRACKET", "L_PAREN", "NEQ", "NOT", "NULL", "NUMBER", "OR", "PLUS",
    "RAW_STRING", "R_BRACKET", "R_PAREN", "SLASH", "STAR", "STRING", "THEN", "TRUE", "WHEN",
}  # fmt: skip


@cache
def _dialect() -> BigQuery:
    from sqlglot.dialects.bigquery import BigQuery

    parser = BigQuery.Parser

    class Rules(BigQuery):
        """BigQuery's syntax without SQLGlot's notion of functions, so that a call stays what was written."""

        class Parser(parser):  # type: ignore[misc, valid-type]
            """Only what has a syntax of its own keeps its parser."""

            FUNCTIONS: dict[str, object] = {}  # noqa: RUF012 - as SQLGlot declares it
            FUNCTION_PARSERS = {  # noqa: RUF012
                k: v for k, v in parser.FUNCTION_PARSERS.items() if k in ("CAST", "SAFE_CAST", "EXTRACT")
            }
            NO_PAREN_FUNCTIONS: dict[str, object] = {}  # noqa: RUF012

    return Rules()


def read_syntax(expression: str) -> exp.Expr:
    """Return the syntax tree of one expression.

    Args:
        expression: GoogleSQL; at most 10,000 characters.

    Raises:
        RuleRefused: it is not one GoogleSQL expression, or too large, or holds a comment.
    """
    from sqlglot.errors import ParseError, TokenError

    if len(expression) > MAX_CHARACTERS:
        raise RuleRefused(f"is longer than {MAX_CHARACTERS:,} characters", "Shorten it.")
    dialect = _dialect()
    try:
        tokens = dialect.tokenize(expression)
        _check_tokens(tokens, expression)
        trees = dialect.parser().parse(tokens, expression)
    except ParseError as error:
        column = (error.errors[0].get("col") or 1) if error.errors else 1
        raise RuleRefused("is no GoogleSQL expression from here on", at=max(column - 1, 0)) from error
    except (TokenError, RecursionError) as error:
        raise RuleRefused("is no GoogleSQL expression: a quote or a bracket is not closed") from error
    if len(trees) != 1 or trees[0] is None:
        raise RuleRefused("is no single expression")
    _place(trees[0])
    return trees[0]


def _place(tree: exp.Expr) -> None:
    """Give every node the offset at which it begins, and refuse a tree that is too deep to be walked."""
    nodes = list(tree.walk())
    depth: dict[int, int] = {}
    for node in nodes:
        depth[id(node)] = depth[id(node.parent)] + 1 if node is not tree else 0
        if depth[id(node)] > MAX_CHAIN:
            raise RuleRefused(f"chains more than {MAX_CHAIN} operations", "Split it into several columns.")
    for node in reversed(nodes):
        if node is not tree and "start" in node.meta and node.parent is not None:
            begin = node.meta["start"]
            node.parent.meta["start"] = min(begin, node.parent.meta.get("start", begin))
    for node in nodes:
        if "start" not in node.meta and node.parent is not None:
            node.meta["start"] = node.parent.meta.get("start", 0)


def _check_tokens(tokens: list[Token], expression: str) -> None:
    if not tokens:
        raise RuleRefused("is empty")
    if len(tokens) > MAX_TOKENS:
        raise RuleRefused(f"has more than {MAX_TOKENS:,} words and signs", "Shorten it.", tokens[MAX_TOKENS].start)
    depth = streak = 0
    for token in tokens:
        kind = token.token_type.name
        if token.comments:
            raise RuleRefused("holds a comment", "Put comments into YAML, after a #.", token.start)
        _check_token(token, kind, expression)
        depth += (kind in ("L_PAREN", "L_BRACKET", "CASE")) - (kind in ("R_PAREN", "R_BRACKET", "END"))
        streak = streak + 1 if kind in _RECURSIVE else 0
        if depth > MAX_DEPTH or streak > MAX_DEPTH:
            raise RuleRefused(f"is nested more than {MAX_DEPTH} deep", "Split it into several columns.", token.start)


def _check_token(token: Token, kind: str, expression: str) -> None:
    text = expression[token.start : token.end + 1]
    if kind == "STRING":
        if _BAD_ESCAPE.search(text):
            fix = "Double the backslash, or write a raw string: r'...'."
            raise RuleRefused("holds an escape that GoogleSQL does not know, or an octal one", fix, token.start)
    elif kind not in _TOKENS and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ]*|`[^`\\]+`", text):
        raise RuleRefused(f"`{text}` does not belong in a rule", at=token.start)
    if "\0" in token.text:
        raise RuleRefused("holds a NUL character", "Leave it out.", token.start)
