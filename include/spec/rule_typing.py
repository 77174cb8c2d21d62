"""From SQLGlot's tree to checked operations: every node on the allow-list, every operand of a fitting type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from include.spec import rule_literals
from include.spec.rule_table import CASTS, FUNCTIONS, PARTS, REFUSED, Signature, signatures
from include.spec.rule_types import (
    ANY,
    BOOL,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    Type,
    as_numeric,
    coerces,
    numeric,
    product_type,
    rounded_type,
    sum_type,
    supertype,
)
from include.spec.rules import Node, RuleRefused

_BINARY: dict[type[exp.Expr], str] = {
    exp.And: "AND", exp.Or: "OR", exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.Like: "LIKE", exp.DPipe: "||", exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/",
}  # fmt: skip
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Like, exp.In, exp.Between, exp.Is)
_TYPES = {
    "BIGINT": "INT64", "DOUBLE": "FLOAT64", "DECIMAL": "NUMERIC", "TEXT": "STRING", "BOOLEAN": "BOOL", "DATE": "DATE",
    "TIMESTAMPTZ": "TIMESTAMP", "TIMESTAMP": "DATETIME", "DATETIME": "DATETIME", "TIME": "TIME",
}  # fmt: skip
_LITERAL = (numeric(29, 9), *(Type(name) for name in rule_literals.TYPED if name != "NUMERIC"))
_COMPARING = ("=", "!=", "<", "<=", ">", ">=", "IN", "BETWEEN", "NULLIF", "GREATEST", "LEAST")
_NOT_COMPARED = ("JSON", "ARRAY<STRING>", "BYTES")
_ROUNDING = ("ROUND", "TRUNC", "FLOOR", "CEIL", "CEILING")


class Reader:
    """Turns the syntax tree of one rule into operations.

    Args:
        columns: lower-case name -> name as in the contract, and type; a type of None: not usable in a rule.
    """

    def __init__(self, columns: Mapping[str, tuple[str, Type | None]]) -> None:
        self._columns = columns
        self._readers: dict[type[exp.Expr], Callable[..., Node]] = {
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.RawString: lambda tree: self._text(tree.name, tree),
            exp.Boolean: lambda tree: Node("constant", BOOL, value=bool(tree.this)),
            exp.Null: lambda tree: Node("constant", NULL, at=position(tree)),
            exp.Paren: lambda tree: self.read(tree.this),
            exp.Neg: self._negative,
            exp.Not: lambda tree: self._call("NOT", [tree.this], tree),
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: lambda tree: self._call("BETWEEN", [tree.this, tree.args["low"], tree.args["high"]], tree),
            exp.If: self._if,
            exp.Case: self._case,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Extract: self._extract,
            exp.Bracket: self._element,
            exp.Interval: self._interval,
            exp.Anonymous: self._function,
        }

    def read(self, tree: exp.Expr) -> Node:
        """Return the operation that a syntax tree stands for.

        Raises:
            RuleRefused: something in it is not allowed.
        """
        name = _BINARY.get(type(tree))
        if name:
            return self._binary(name, tree)
        reader = self._readers.get(type(tree))
        if reader is None:
            raise RuleRefused(f"{_spoken(tree)} is not allowed in a rule", at=position(tree))
        return reader(tree)

    def _column(self, tree: exp.Column) -> Node:
        name, at = tree.name, position(tree)
        if tree.table or not isinstance(tree.this, exp.Identifier):
            raise RuleRefused(f"`{tree.sql('bigquery')}` is no column", "Write the column's bare name.", at)
        found, kind = self._columns.get(name.lower(), (None, None))
        if found is None:
            if name.upper() in REFUSED:
                raise RuleRefused(f"{name.upper()} {REFUSED[name.upper()]}", at=at)
            known = ", ".join(sorted(known for known, _ in self._columns.values()))
            raise RuleRefused(f"`{name}` is no column that this rule can see", f"It can see: {known}.", at)
        if kind is None:
            raise RuleRefused(f"`{name}` has a type that rules cannot compute with", "Leave it out of rules.", at)
        return Node("column", kind, value=found, at=at)

    def _literal(self, tree: exp.Literal) -> Node:
        if tree.is_string:
            return self._text(tree.name, tree)
        at, text = position(tree), tree.name
        if re.fullmatch(r"[0-9]+", text):
            if int(text) >= 2**63:
                raise RuleRefused(f"{text} is too large for INT64", f"Write NUMERIC '{text}'.", at)
            return Node("constant", Type("INT64", digits=len(str(int(text))), literal=True), value=int(text), at=at)
        if not re.fullmatch(r"[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?", text) or math.isinf(float(text)):
            raise RuleRefused(f"{text} is no number", "Write it as 12, 1.5 or 1e3.", at)
        return Node("constant", replace(FLOAT64, literal=True), value=float(text), at=at)

    def _text(self, text: str, tree: exp.Expr) -> Node:
        return Node("constant", replace(STRING, literal=True), value=text, at=position(tree))

    def _negative(self, tree: exp.Neg) -> Node:
        node = self.read(tree.this)
        if node.name == "constant" and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return replace(node, value=-node.value, at=max(node.at - 1, 0))
        return self._operation("NEG", [node], position(tree))

    def _binary(self, name: str, tree: exp.Expr) -> Node:
        if isinstance(tree, _COMPARISONS):
            _refuse_chain(tree)
        if isinstance(tree, exp.Like) and isinstance(tree.expression, exp.Any | exp.All):
            raise RuleRefused("LIKE ANY is not allowed in a rule", at=position(tree))
        return self._call(name, [tree.this, tree.expression], tree)

    def _is(self, tree: exp.Is) -> Node:
        _refuse_chain(tree)
        what = {exp.Null: "IS NULL", exp.Boolean: f"IS {str(tree.expression.this).upper()}"}.get(type(tree.expression))
        if what is None:
            raise RuleRefused("IS is followed by NULL, TRUE or FALSE", at=position(tree))
        return self._call(what, [tree.this], tree)

    def _in(self, tree: exp.In) -> Node:
        _refuse_chain(tree)
        if set(tree.args) - {"this", "expressions"} and any(tree.args.get(k) for k in ("query", "unnest", "field")):
            raise RuleRefused("IN takes a list in brackets, no query and no array", at=position(tree))
        return self._call("IN", [tree.this, *tree.expressions], tree)

    def _if(self, tree: exp.If) -> Node:
        if tree.args.get("false") is None:
            raise RuleRefused("IF needs three arguments: IF(condition, then, else)", "Add the third.", position(tree))
        return self._call("IF", [tree.this, tree.args["true"], tree.args["false"]], tree)

    def _case(self, tree: exp.Case) -> Node:
        at = position(tree)
        whens, thens = [], [self.read(branch.args["true"]) for branch in tree.args["ifs"]]
        subject = tree.this and self.read(tree.this)
        for branch in tree.args["ifs"]:
            when = self.read(branch.this)
            whens.append(self._operation("=", [subject, when], when.at) if subject else _coerced(when, BOOL))
        last = self.read(tree.args["default"]) if tree.args.get("default") else Node("constant", NULL, at=at)
        kind = _common("CASE", [*thens, last], at)
        pairs = [part for when, then in zip(whens, thens, strict=True) for part in (when, _coerced(then, kind))]
        return Node("CASE", kind, (*pairs, _coerced(last, kind)), at=at)

    def _cast(self, tree: exp.Cast) -> Node:
        at, safe = position(tree), isinstance(tree, exp.TryCast)
        wanted = self._type(tree.to, at)
        if tree.args.get("format"):
            raise RuleRefused("CAST ... FORMAT is not allowed in a rule", "Use PARSE_DATE or FORMAT_DATE.", at)
        node = self.read(tree.this)
        # SQLGlot reads DATE '2024-01-31' and CAST('2024-01-31' AS DATE) alike, and so does GoogleSQL.
        if node.name == "constant" and node.kind.name == "STRING" and not safe and wanted in _LITERAL:
            return rule_literals.typed(wanted, node)
        if node.kind.name not in ("ANY", "NULL") and wanted.name not in CASTS.get(node.kind.name, ()):
            possible = ", ".join(CASTS.get(node.kind.name, ())) or "nothing"
            raise RuleRefused(f"a {node.kind} cannot be cast to {wanted} in a rule", f"It can become: {possible}.", at)
        return Node("SAFE_CAST" if safe else "CAST", wanted, (node,), at=at)

    def _type(self, to: exp.DataType, at: int) -> Type:
        name = _TYPES.get(to.this.name if hasattr(to.this, "name") else "")
        if name is None:
            raise RuleRefused(f"{to.sql('bigquery')} is no type of a rule", f"Types are: {', '.join(CASTS)}.", at)
        sizes = [int(size.name) for size in to.expressions]
        if name != "NUMERIC":
            if sizes:
                raise RuleRefused(f"{name} takes no size here", "Leave the size out.", at)
            return INT64 if name == "INT64" else Type(name)
        if not sizes:
            return numeric(29, 9)
        digits, scale = sizes[0], sizes[1] if len(sizes) > 1 else 0
        if not ((0 <= scale <= 9 and 1 <= digits - scale <= 29) or digits == scale > 0):
            raise RuleRefused(
                f"NUMERIC({digits}, {scale}) is no type of BigQuery", "At most 29 digits and 9 places.", at
            )
        return numeric(digits - scale, scale)

    def _extract(self, tree: exp.Extract) -> Node:
        if isinstance(tree.expression, exp.AtTimeZone):
            raise RuleRefused("AT TIME ZONE is not allowed: rules are in UTC", "Leave it out.", position(tree))
        part = exp.Column(this=exp.to_identifier(tree.this.name)) if isinstance(tree.this, exp.Var) else tree.this
        return self._call("EXTRACT", [part, tree.expression], tree)

    def _element(self, tree: exp.Bracket) -> Node:
        at = position(tree)
        indices = tree.expressions
        array = self.read(tree.this)
        plain = tree.args.get("offset") is None or len(indices) != 1
        if plain or not isinstance(indices[0], exp.Literal) or not indices[0].name.isdecimal():
            fix = "Write [OFFSET(0)] or [SAFE_OFFSET(0)], which count from 0."
            raise RuleRefused("an element is addressed by a constant whole number", fix, at)
        if array.kind.name not in ("ARRAY<STRING>", "ANY"):
            raise RuleRefused(f"a {array.kind} has no elements", "Only SPLIT(...) and arrays of text have.", at)
        how = "safe" if tree.args.get("safe") else "strict"
        index = int(indices[0].name) - int(tree.args["offset"]) + 1
        if not 0 < index < 2**31:
            raise RuleRefused("no array has such an element", "ORDINAL counts from 1, OFFSET from 0.", at)
        return Node("ELEMENT", STRING, (array, Node("constant", INT64, value=index, at=at)), how, at)

    def _interval(self, tree: exp.Interval) -> Node:
        at, unit = position(tree.this), tree.args.get("unit")
        if not isinstance(unit, exp.Var):
            raise RuleRefused("an interval is written INTERVAL 5 DAY", "Name one unit.", at)
        count = tree.this
        if isinstance(count, exp.Literal) and count.is_string:
            count = exp.Literal.number(count.name)
        return Node("INTERVAL", Type("INTERVAL"), (_coerced(self.read(count), INT64),), unit.name.upper(), at)

    def _function(self, tree: exp.Anonymous) -> Node:
        name, at = str(tree.this).upper(), position(tree)
        if name in REFUSED:
            raise RuleRefused(f"{name} {REFUSED[name]}", at=at)
        if name not in FUNCTIONS:
            raise RuleRefused(f"{name} is no function that a rule may use", at=at)
        return self._call(name, tree.expressions, tree)

    def _call(self, name: str, trees: Sequence[exp.Expr], tree: exp.Expr) -> Node:
        at, forms = position(tree), signatures(name)
        if not any(form.takes(len(trees)) for form in forms):
            raise RuleRefused(f"{name} takes other arguments", _usage(name), at)
        nodes = []
        for number, argument in enumerate(trees):
            parameter = forms[0].parameter(number)
            nodes.append(_part(argument) if parameter.kind == "PART" else self.read(argument))
        return self._operation(name, nodes, at)

    def _operation(self, name: str, nodes: list[Node], at: int) -> Node:
        fitting = [form for form in signatures(name) if form.takes(len(nodes)) and _fits(form, nodes)]
        if not fitting:
            given = ", ".join(str(node.kind) for node in nodes)
            raise RuleRefused(f"{_name(name)} does not take {given}", _usage(name), at)
        form = min(fitting, key=lambda f: _cost(f, nodes))
        unknown = any(node.kind.name == "ANY" for node in nodes)
        generic = _generic(name, form, nodes, at)
        coerced = [
            node
            if p.kind in ("PART", "INTERVAL", "ANY")
            else _coerced(node, generic if p.kind == "T" else Type(p.kind))
            for node, p in ((node, form.parameter(n)) for n, node in enumerate(nodes))
        ]
        if unknown and len({f.result for f in fitting}) > 1:
            result = ANY
        else:
            result = generic if form.result == "T" else _result(name, form.result, coerced)
        if not unknown:
            rule_literals.check_arguments(name, coerced)
        return Node(name, result, tuple(coerced), at=at)


def position(tree: exp.Expr) -> int:
    """Return the offset at which a syntax tree begins in the text; 0 where SQLGlot kept none."""
    return int(tree.meta.get("start", 0))


def _part(tree: exp.Expr) -> Node:
    text = str(tree.this).upper() if isinstance(tree, exp.Anonymous) else tree.name.upper()
    if isinstance(tree, exp.Anonymous):
        text = f"{text}({', '.join(inner.name.upper() for inner in tree.expressions)})"
    return Node("PART", Type("PART"), value=text, at=position(tree))


def _fits(form: Signature, nodes: Sequence[Node]) -> bool:
    for number, node in enumerate(nodes):
        parameter = form.parameter(number)
        if parameter.constant and node.name != "constant":
            return False
        if parameter.kind in ("T", "ANY"):
            continue
        if parameter.kind in ("PART", "INTERVAL"):
            if node.name != parameter.kind:
                return False
        elif (parameter.exact and node.kind.name not in (parameter.kind, "ANY", "NULL")) or not coerces(
            node.kind, parameter.kind
        ):
            return False
    return True


def _cost(form: Signature, nodes: Sequence[Node]) -> int:
    pairs = ((node.kind.name, form.parameter(number).kind) for number, node in enumerate(nodes))
    return sum(given != wanted for given, wanted in pairs if wanted not in ("T", "ANY", "PART", "INTERVAL"))


def _generic(name: str, form: Signature, nodes: Sequence[Node], at: int) -> Type:
    chosen = [node for number, node in enumerate(nodes) if form.parameter(number).kind == "T"]
    strange = next((node for node in chosen if node.kind.name in _NOT_COMPARED), None)
    if strange is not None and name in _COMPARING:
        raise RuleRefused(f"{_name(name)} does not take {strange.kind}", "Compare text, numbers, days.", strange.at)
    decimal = any(node.kind.name == "NUMERIC" for node in nodes)
    inexact = next((node for node in nodes if node.kind.name == "FLOAT64" and node.kind.literal), None)
    if decimal and inexact is not None and name != "CASE":
        fix = f"Write NUMERIC '{inexact.value}', which is exact."
        raise RuleRefused(f"{inexact.value} is FLOAT64, and would make a decimal inexact", fix, inexact.at)
    return _common(name, chosen, at) if chosen else ANY


def _common(name: str, nodes: Sequence[Node], at: int) -> Type:
    kind = supertype([node.kind for node in nodes])
    if kind is None:
        given = ", ".join(str(node.kind) for node in nodes)
        raise RuleRefused(f"{_name(name)} needs operands of one type, not {given}", "CAST one of them.", at)
    return kind


def _coerced(node: Node, wanted: Type) -> Node:
    """Return the node as a value of a type; a NUMERIC keeps the digits it has unless more are asked for."""
    if "ANY" in (node.kind.name, wanted.name):
        return node
    if not coerces(node.kind, wanted.name):
        raise RuleRefused(f"{node.kind} stands where {wanted} is needed", "CAST it.", node.at)
    if wanted.name == "NUMERIC" and not wanted.digits and node.kind.name != "NULL":
        wanted = as_numeric(node.kind)
    if replace(node.kind, literal=False) == wanted or (node.kind.name == wanted.name != "NUMERIC"):
        return node
    if node.name == "constant" and isinstance(node.value, str) and wanted.name in rule_literals.TYPED:
        return rule_literals.typed(wanted, node)
    if node.name == "constant" and isinstance(node.value, int) and wanted.name == "NUMERIC":
        return Node("constant", wanted, value=str(Decimal(node.value)), at=node.at)
    return Node("coerce", wanted, (node,), at=node.at)


def _result(name: str, result: str, nodes: Sequence[Node]) -> Type:
    if result != "NUMERIC":
        return INT64 if result == "INT64" else Type(result)
    kinds = [as_numeric(n.kind) if n.kind.name in ("NUMERIC", "INT64") else numeric(29, 9) for n in nodes]
    if name in ("+", "-"):
        return sum_type(*kinds)
    if name == "*":
        return product_type(*kinds)
    if name in _ROUNDING:
        return rounded_type(kinds[0], int(nodes[1].value or 0) if len(nodes) > 1 else 0)
    if name in ("NEG", "ABS"):
        return kinds[0]
    return numeric(1, 0) if name == "SIGN" else numeric(29, 9)


def _refuse_chain(tree: exp.Expr) -> None:
    """Refuse `a = b = c`: GoogleSQL's comparisons are not associative, SQLGlot's are."""
    for side in (tree.this, tree.args.get("expression"), tree.args.get("low"), tree.args.get("high")):
        inner = side.this if isinstance(side, exp.Not) else side
        if isinstance(inner, _COMPARISONS):
            raise RuleRefused("comparisons cannot be chained", "Put one of them in brackets.", position(inner))


def _name(name: str) -> str:
    return {"NEG": "-"}.get(name, name)


def _spoken(tree: exp.Expr) -> str:
    names = {
        exp.Subquery: "a subquery",
        exp.Select: "a query",
        exp.Window: "a window function",
        exp.Star: "*",
    }
    return names.get(type(tree)) or f"{type(tree).__name__.upper()} ({tree.sql('bigquery')[:40]})"


def _usage(name: str) -> str:
    text = FUNCTIONS.get(name)
    if text is None:
        return "Cast the operands to fit, with CAST or SAFE_CAST."
    forms = " or ".join(f"{name}({form.split(' -> ')[0]})".replace(" [, ", "[, ") for form in text.split(" | "))
    parts = PARTS.get(name)
    listed = f" Parts are: {', '.join(parts)}." if parts else ""
    return f"Write {forms.replace('=', '').replace('!', ' constant')}.{listed}"
