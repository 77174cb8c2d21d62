"""DuckDB's SQL for each operator and function of the allow-list; dates are in rule_dates.

A text is a template over the operands; a function builds what needs more. Answers are BigQuery's, as documented and as
its open implementation gives them: https://github.com/google/zetasql/tree/master/zetasql/public/functions
"""

from __future__ import annotations

from collections.abc import Callable

from include.engine.rule_dates import DATES
from include.engine.rule_sql import BLANKS, Call, Scope, duckdb_type, expanding, failure, quoted
from include.spec.rule_literals import groups
from include.spec.rules import Node

Emit = str | Callable[[Call], str]

# https://www.unicode.org/reports/tr44/#White_Space
_WHITE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_MANY = 2_147_483_647


def _upper(call: Call) -> str:
    scope = call.scope
    text = call.operands[0]
    table = "map {" + ", ".join(f"'{k}': '{v}'" for k, v in expanding().items()) + "}"
    letter = f'coalesce({table}["a letter"], upper("a letter"))'
    special = "[" + "".join(expanding()) + "]"

    def body(x: str) -> str:
        letters = f"list_transform(string_split({x}, ''), lambda \"a letter\": {letter})"
        slow = f"list_aggregate({letters}, 'string_agg', '')"
        odd = f"strlen({x}) != length({x}) AND regexp_matches({x}, '{special}')"
        return f"CASE WHEN {odd} THEN {slow} ELSE upper({x}) END"

    return scope.let(text, body)


def _lower(call: Call) -> str:
    # A capital sigma at the end of a word becomes a final one.
    # https://www.unicode.org/versions/latest/core-spec/chapter-3/#G54277
    ignorable = r"\p{Mn}\p{Me}\p{Cf}\p{Lm}\p{Sk}'.:·"
    cased = r"\p{Lu}\p{Ll}\p{Lt}"
    final = quoted(f"([{cased}][{ignorable}]*)Σ([{ignorable}]*(?:[^{cased}{ignorable}]|$))")

    def body(x: str) -> str:
        slow = f"lower(replace(regexp_replace({x}, {final}, '\\1ς\\2', 'g'), 'İ', 'i̇'))"
        return f"CASE WHEN regexp_matches({x}, '[Σİ]') THEN {slow} ELSE lower({x}) END"

    return call.scope.let(call.operands[0], body)


def _trim(function: str) -> Callable[[Call], str]:
    ends = {"trim": f"^[{_WHITE}]+|[{_WHITE}]+$", "ltrim": f"^[{_WHITE}]+", "rtrim": f"[{_WHITE}]+$"}[function]

    def emit(call: Call) -> str:
        if len(call.operands) > 1:
            return f"{function}({', '.join(call.operands)})"
        # With 25 characters to look for, DuckDB's trim takes ten times as long as this.
        return f"regexp_replace({call.operands[0]}, {quoted(ends)}, '', 'g')"

    return emit


def _substr(call: Call) -> str:
    scope = call.scope
    text = call.operands[0]
    start = call.operands[1]
    length = call.operand(2, "")

    def begin(x: str, p: str) -> str:
        from_end = f"greatest(length({x}) + {p} + 1, 1)"
        return f"CASE WHEN {p} < 0 THEN {from_end} WHEN {p} = 0 THEN 1 ELSE least({p}, {_MANY}) END"

    def whole(x: str, p: str) -> str:
        if not length:
            return f"CASE WHEN {p} IS NOT NULL THEN substr({x}, {begin(x, p)}) END"
        return scope.let(
            length, lambda n: f"CASE WHEN {p} IS NOT NULL THEN substr({x}, {begin(x, p)}, {_count(n)}) END"
        )

    return scope.let(text, lambda x: scope.let(start, lambda p: whole(x, p)))


def _count(n: str) -> str:
    wrong = failure("SUBSTR got a negative length")
    return f"CASE WHEN {n} < 0 THEN {wrong} WHEN {n} > {_MANY} THEN {_MANY} ELSE {n} END"


def _pad(function: str) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        text, length, fill = call.operands[0], call.operands[1], call.operand(2, "' '")
        return f"{function}({text}, CAST({length} AS INTEGER), {fill})"

    return emit


def _split(call: Call) -> str:
    return f"string_split({call.operands[0]}, {call.operand(1, quoted(','))})"


def _element(call: Call) -> str:
    scope, node = call.scope, call.node
    array, index = call.operands
    if node.value == "safe":
        return f"{array}[{index}]"
    beyond = failure("the array has no such element", "VARCHAR")
    return scope.let(array, lambda x: f"CASE WHEN len({x}) < {index} THEN {beyond} ELSE {x}[{index}] END")


def _extract_text(call: Call) -> str:
    scope, node = call.scope, call.node
    text, pattern = call.operands
    group = groups(str(node.arguments[1].value))
    return scope.let(
        text, lambda x: f"CASE WHEN regexp_matches({x}, {pattern}) THEN regexp_extract({x}, {pattern}, {group}) END"
    )


def _extreme(function: str) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        node = call.node
        values = call.operands
        nan = ""
        if node.kind.name == "FLOAT64":
            nan = f"WHEN {' OR '.join(f'isnan({v})' for v in values)} THEN CAST('nan' AS DOUBLE) "
        missing = " OR ".join(f"{v} IS NULL" for v in values)
        return f"CASE WHEN {missing} THEN NULL {nan}ELSE {function}({', '.join(values)}) END"

    return emit


def _arithmetic(sign: str) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        scope, node = call.scope, call.node
        left, right = call.operands
        if node.kind.name == "FLOAT64":
            return _finite(scope, left, right, lambda a, b: f"{a} {sign} {b}")
        plain = f"({left} {sign} {right})"
        # BigQuery rounds a product to the scale of NUMERIC, half away from zero, and so does DuckDB's cast.
        return f"CAST({plain} AS {duckdb_type(node.kind)})" if node.kind.name == "NUMERIC" else plain

    return emit


def _finite(scope: Scope, left: str, right: str, compute: Callable[[str, str], str]) -> str:
    def body(a: str, b: str) -> str:
        over = failure("a FLOAT64 is out of range", "DOUBLE")
        check = f"isfinite({a}) AND isfinite({b})"
        return scope.let(
            f"({compute(a, b)})", lambda r: f"CASE WHEN NOT isfinite({r}) AND {check} THEN {over} ELSE {r} END"
        )

    return scope.let(left, lambda a: scope.let(right, lambda b: body(a, b)))


def _divide(call: Call) -> str:
    return _over(call, failure("division by zero", duckdb_type(call.node.kind)))


def _safe_divide(call: Call) -> str:
    return _over(call, f"CAST(NULL AS {duckdb_type(call.node.kind)})")


def _over(call: Call, zero: str) -> str:
    scope, node = call.scope, call.node
    left, right = call.operands

    def body(a: str, b: str) -> str:
        if node.kind.name == "NUMERIC":
            quotient = _quotient(node, a, b)
        elif node.name == "SAFE_DIVIDE":
            over = f"isfinite({a}) AND isfinite({b}) AND NOT isfinite({a} / {b})"
            quotient = f"CASE WHEN {over} THEN NULL ELSE {a} / {b} END"
        else:
            quotient = _finite(scope, a, b, lambda x, y: f"{x} / {y}")
        return f"CASE WHEN {b} = 0 THEN {zero} ELSE {quotient} END"

    return scope.let(left, lambda a: scope.let(right, lambda b: body(a, b)))


def _quotient(node: Node, left: str, right: str) -> str:
    # DuckDB divides decimals as doubles. Here: 10^9 * left / right in whole numbers, half away from zero.
    first, second = (argument.kind for argument in node.arguments)
    above = f"abs({_unscaled(left)}) * {10 ** (9 + second.scale - first.scale)}::HUGEINT"
    below = f"abs({_unscaled(right)})"
    rounded = f"((2 * {above} + {below}) // (2 * {below}))"
    sign = f"CASE WHEN ({left} < 0) != ({right} < 0) THEN -1 ELSE 1 END"
    unit = "CAST('0.000000001' AS DECIMAL(9,9))"
    return f"CAST(CAST({rounded} * {sign} AS DECIMAL(38,0)) * {unit} AS DECIMAL(38,9))"


def _unscaled(decimal: str) -> str:
    return f"CAST(replace(CAST({decimal} AS VARCHAR), '.', '') AS HUGEINT)"


def _negative(call: Call) -> str:
    node = call.node
    value = call.operands[0]
    # DuckDB folds the negation of a constant to a wider type.
    return f"(CAST(0 AS BIGINT) - {value})" if node.kind.name == "INT64" else f"(- {value})"


def _sign(call: Call) -> str:
    scope, node = call.scope, call.node
    value = call.operands[0]
    kind = duckdb_type(node.kind)
    if node.kind.name == "FLOAT64":
        return scope.let(value, lambda x: f"CASE WHEN isnan({x}) THEN {x} ELSE CAST(sign({x}) AS DOUBLE) END")
    return f"CAST(sign({value}) AS {kind})"


def _whole(function: str) -> Callable[[Call], str]:
    def emit(call: Call) -> str:
        node = call.node
        value = call.operands[0]
        places = call.operand(1, "")
        if node.kind.name == "FLOAT64":
            return f"{function}({value})"
        if not places:
            return f"CAST({function}({value}) AS {duckdb_type(node.kind)})"
        return _to_places(function, node, value, int(node.arguments[1].value or 0))

    return emit


def _to_places(function: str, node: Node, value: str, places: int) -> str:
    kind, given = duckdb_type(node.kind), node.arguments[0].kind
    if places >= 0:
        kept = min(places, given.scale)
        # A cast rounds half away from zero, and its type has room for the carry.
        return f"CAST({value} AS {kind})" if function == "round" else f"CAST(trunc({value}, {kept}) AS {kind})"
    if -places > given.digits:
        return f"CAST(0 * {value} AS {kind})"
    unit = f"CAST('{10**-places}' AS DECIMAL({1 - places},0))"
    shift = f"CAST('0.{'0' * (-places - 1)}1' AS DECIMAL({-places},{-places}))"
    shifted = f"CAST({value} AS DECIMAL({given.precision},{given.scale})) * {shift}"
    whole = f"{function}({shifted})"
    return f"CAST(CAST({whole} AS DECIMAL({given.digits + 1},0)) * {unit} AS {kind})"


def _mod(call: Call) -> str:
    scope = call.scope
    left, right = call.operands
    # Of the least INT64, DuckDB's remainder by -1 overflows.
    return scope.let(right, lambda b: f"CASE WHEN {b} = -1 THEN 0 * {left} ELSE {left} % {b} END")


_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
# What BigQuery takes for a value of each type; the match is what DuckDB is given, and '' no cast takes.
_SHAPES = {
    "INT64": f"^{BLANKS}([+-]?[0-9]+|0[xX][0-9a-fA-F]+){BLANKS}$",
    "FLOAT64": f"^{BLANKS}({_NUMBER}|[+-]?(?i:inf|infinity|nan)){BLANKS}$",
    "NUMERIC": f"^{BLANKS}({_NUMBER}){BLANKS}$",
    "BOOL": "^((?i:true|false))$",
    "DATE": f"^({_YEAR}-[0-9]{{1,2}}-[0-9]{{1,2}})$",
}


def _cast(call: Call) -> str:
    node = call.node
    value = call.operands[0]
    given, wanted, how = node.arguments[0].kind.name, node.kind, node.name.replace("SAFE_", "TRY_")
    kind = duckdb_type(wanted)
    if given == "NULL" or (given == wanted.name and given != "NUMERIC"):
        return f"CAST({value} AS {kind})"
    if given == "STRING":
        shaped = f"regexp_extract({value}, {quoted(_SHAPES[wanted.name])}, 1)"
        if wanted.name == "NUMERIC" and wanted.scale < 9:
            shaped = f"{how}({shaped} AS DECIMAL(38,9))"
        return f"{how}({shaped} AS {kind})"
    if wanted.name == "STRING":
        return _as_text(node, value)
    if given == "FLOAT64":
        # The first prints every digit of the double, the second rounds half away from zero, as BigQuery does.
        shaped = f"printf('%.60f', {value})" if wanted.name == "NUMERIC" else f"round({value})"
        if wanted.name == "NUMERIC" and wanted.scale < 9:
            shaped = f"{how}({shaped} AS DECIMAL(38,9))"
        return f"{how}({shaped} AS {kind})"
    if given == "NUMERIC" and wanted.name == "FLOAT64":
        return f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
    if wanted.name == "TIMESTAMP":
        return f"(CAST({value} AS TIMESTAMP) AT TIME ZONE 'UTC')"
    if given == "TIMESTAMP":
        return f"CAST({value} AT TIME ZONE 'UTC' AS DATE)"
    return f"{how}({value} AS {kind})"


def _as_text(node: Node, value: str) -> str:
    given = node.arguments[0].kind
    if given.name != "NUMERIC":
        return f"CAST({value} AS VARCHAR)"
    if not given.scale:
        return f"CAST({value} AS VARCHAR)"
    # One digit more, or DuckDB prints .5 for 0.5.
    wide = f"CAST({value} AS DECIMAL({min(max(given.precision, given.scale + 1), 38)},{given.scale}))"
    return f"regexp_replace(CAST({wide} AS VARCHAR), '\\.?0+$', '')"


FUNCTIONS: dict[str, Emit] = {
    "NOT": "(NOT {0})",
    "LIKE": "({0} LIKE {1} ESCAPE '\\')",
    "IS NULL": "({0} IS NULL)",
    "IS TRUE": "({0} IS NOT DISTINCT FROM TRUE)",
    "IS FALSE": "({0} IS NOT DISTINCT FROM FALSE)",
    "||": "({0} || {1})",
    "+": _arithmetic("+"),
    "-": _arithmetic("-"),
    "*": _arithmetic("*"),
    "/": _divide,
    "NEG": _negative,
    "CAST": _cast,
    "SAFE_CAST": _cast,
    "ELEMENT": _element,
    "IF": "CASE WHEN {0} THEN {1} ELSE {2} END",
    "IFNULL": "coalesce({0}, {1})",
    "COALESCE": lambda call: f"coalesce({', '.join(call.operands)})",
    "GREATEST": _extreme("greatest"),
    "LEAST": _extreme("least"),
    "UPPER": _upper,
    "LOWER": _lower,
    "TRIM": _trim("trim"),
    "LTRIM": _trim("ltrim"),
    "RTRIM": _trim("rtrim"),
    "CONCAT": lambda call: f"({' || '.join(call.operands)})",
    "LENGTH": "length({0})",
    "CHAR_LENGTH": "length({0})",
    "BYTE_LENGTH": "strlen({0})",
    "SUBSTR": _substr,
    "SUBSTRING": _substr,
    "LEFT": '"left"({0}, {1})',
    "RIGHT": '"right"({0}, {1})',
    "LPAD": _pad("lpad"),
    "RPAD": _pad("rpad"),
    "REPLACE": "replace({0}, {1}, {2})",
    "STARTS_WITH": "starts_with({0}, {1})",
    "ENDS_WITH": "ends_with({0}, {1})",
    "STRPOS": "strpos({0}, {1})",
    "INSTR": "strpos({0}, {1})",
    "SPLIT": _split,
    "REGEXP_CONTAINS": "regexp_matches({0}, {1})",
    "REGEXP_EXTRACT": _extract_text,
    "REGEXP_REPLACE": "regexp_replace({0}, {1}, {2}, 'g')",
    "ABS": "abs({0})",
    "SIGN": _sign,
    "FLOOR": _whole("floor"),
    "CEIL": _whole("ceil"),
    "CEILING": _whole("ceil"),
    "ROUND": _whole("round"),
    "TRUNC": _whole("trunc"),
    "DIV": "({0} // {1})",
    "MOD": _mod,
    "SAFE_DIVIDE": _safe_divide,
    "MD5": "unhex(md5({0}))",
    "SHA1": "unhex(sha1({0}))",
    "SHA256": "unhex(sha256({0}))",
    "TO_HEX": "lower(hex({0}))",
    **DATES,
}
