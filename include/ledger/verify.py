"""Questions that are asked of the warehouse after a commit, and the answers that are expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from include.ledger.tables import FILE_ID, Ledger, target
from include.spec.columns import Column, is_row_rule, resolve
from include.spec.contract import QualityCheck
from include.spec.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Question:
    """One query that returns a single number called `answer`, and what that number must satisfy.

    Args:
        severity: `error` fails the task; anything else is reported.
    """

    name: str
    sql: str
    check: QualityCheck
    severity: str = "error"

    def holds(self, answer: float) -> bool:
        """Whether an answer satisfies the check."""
        check = self.check
        limits = (
            (check.mustBe, lambda bound: answer == bound),
            (check.mustNotBe, lambda bound: answer != bound),
            (check.mustBeGreaterThan, lambda bound: answer > bound),
            (check.mustBeGreaterOrEqualTo, lambda bound: answer >= bound),
            (check.mustBeLessThan, lambda bound: answer < bound),
            (check.mustBeLessOrEqualTo, lambda bound: answer <= bound),
            (check.mustBeBetween, lambda bound: bound[0] <= answer <= bound[1]),
            (check.mustNotBeBetween, lambda bound: not bound[0] <= answer <= bound[1]),
        )
        return all(holds(bound) for bound, holds in limits if bound is not None)

    @property
    def expectation(self) -> str:
        """What the answer must be, as the contract says it."""
        given = self.check.model_dump(exclude_none=True)
        return ", ".join(f"{key} {value}" for key, value in given.items() if key.startswith("must"))


def reconciliation(dataset: Dataset, ledger: Ledger) -> str:
    """Return the query that counts, file by file, the rows in the target that the run @run_id says it loaded.

    A replay's rows are of the file whose records they are; they are counted as loaded, too.

    Left out are files that a later commit superseded or loaded again: their rows are no longer this run's. `later` says
    whether another commit of the dataset came after, of this run or another: in `merge` and `replace_partition` it may
    have taken rows out.
    """
    return (
        f"SELECT f.file_id, f.name, f.loaded + IFNULL(MAX(r.rows_in), 0) AS loaded, COUNT(t.{FILE_ID}) AS present,"
        f" IFNULL((SELECT MAX(o.at) FROM {ledger.table('files')} AS o WHERE o.dataset = @dataset"
        " AND o.state = 'loaded') > f.at, FALSE) AS later"
        f" FROM {ledger.table('files_current')} AS f LEFT JOIN {target(dataset, ledger)} AS t"
        f" ON t.{FILE_ID} = f.file_id"
        " LEFT JOIN (SELECT file_id, of_batch, COUNT(*) AS rows_in"
        f" FROM {ledger.table('replays')} WHERE dataset = @dataset AND outcome = 'loaded' GROUP BY file_id, of_batch)"
        " AS r ON r.file_id = f.file_id AND r.of_batch = f.batch_id"
        " WHERE f.dataset = @dataset AND f.run_id = @run_id AND f.state = 'loaded'"
        " GROUP BY f.file_id, f.name, f.loaded, f.at ORDER BY f.name"
    )


def agrees(mode: str, *, loaded: int, present: int, later: bool) -> bool:
    """Whether a file's rows in the target can be what is left of those loaded.

    A merge overwrites rows, of files of its own commit as well; a later delivery replaces whole days. Never are there
    more than were loaded.
    """
    fewer = mode == "merge" or (mode == "replace_partition" and later)
    return present == loaded or (present < loaded and fewer)


def questions(dataset: Dataset, ledger: Ledger) -> Iterator[Question]:
    """Yield the contract's quality checks that are decided over the table, as queries."""
    table = target(dataset, ledger)
    properties = dataset.contract.schema_[0].properties
    for check in dataset.contract.schema_[0].quality:
        yield from _question(check, None, table)
    for prop in properties:
        for check in prop.quality:
            if not is_row_rule(check):
                yield from _question(check, resolve(prop), table)


def _question(check: QualityCheck, column: Column | None, table: str) -> Iterator[Question]:
    severity = check.severity or "error"
    subject = f"{column.name}." if column else ""
    if check.type == "sql" and check.query:
        query = check.query.replace("${table}", table).replace("${object}", table)
        if column:
            query = query.replace("${column}", f"`{column.name}`").replace("${property}", f"`{column.name}`")
        name = check.name or f"{subject}sql"
        yield Question(name, f"SELECT ({query.strip().rstrip(';')}) AS answer", check, severity)
    elif check.type == "library" and check.metric:
        counted = _counted(check, column)
        if counted:
            yield Question(check.name or f"{subject}{check.metric}", f"SELECT {counted} AS answer FROM {table}",
                           check, severity)  # fmt: skip


def _counted(check: QualityCheck, column: Column | None) -> str:
    """Return the expression that a library metric stands for."""
    if check.metric == "rowCount":
        return "COUNT(*)"
    if column is None:
        return ""
    name = f"`{column.name}`"
    expressions = {
        "nullValues": f"COUNTIF({name} IS NULL)",
        "missingValues": f"COUNTIF({name} IS NULL)",
        "duplicateValues": f"COUNT({name}) - COUNT(DISTINCT {name})",
        "invalidValues": f"COUNTIF(CAST({name} AS STRING) NOT IN ({_literals(check.arguments or {})}))",
    }
    counted = expressions.get(check.metric or "", "")
    if counted and check.unit in ("percent", "%"):
        return f"IFNULL(SAFE_DIVIDE(100.0 * ({counted}), COUNT(*)), 0)"
    return counted


def _literals(arguments: dict[str, Any]) -> str:
    values = [str(value) for value in arguments.get("validValues", ()) if value is not None]
    return ", ".join(_literal(value) for value in values) or "''"


def _literal(value: str) -> str:
    """Quote a string for GoogleSQL: the one place where a contract's value stands in a query's text."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"
