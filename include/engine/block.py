"""One block of rows through the rules: clean, type, check, filter, derive, enrich, check again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from include.engine.apply import Rule, column_outputs, compiled, probe, run_rule, text_outputs, truth_outputs
from include.engine.cast import arrow_type
from include.engine.database import Database
from include.engine.enrich import Reference
from include.engine.errors import TerminalRuleError
from include.engine.fields import of_xml
from include.engine.frame import Bools, Ints
from include.engine.nested import read_nested
from include.engine.properties import Properties
from include.engine.reasons import failure_reasons
from include.engine.records import Failure, Failures
from include.engine.show import Shower
from include.engine.verify import Verifier
from include.spec.columns import Column
from include.spec.dataset import Dataset


@dataclass(slots=True)
class Outcome:
    """What became of a block's rows.

    Args:
        typed: the target's columns, of good rows and of some that are not.
        good: which of these rows are good.
        rows: for each good row, which row of the block it was.
        filtered: rows that the filter left out.
        failures: why the rest failed, by row.
    """

    typed: pa.Table
    good: Bools
    rows: Ints
    filtered: Ints
    failures: Failures = field(default_factory=dict)


class BlockRules:
    """Everything a dataset does to rows, compiled once.

    Raises:
        TerminalRuleError: a rule, pattern, bound or format cannot be run.
        TerminalReferenceError: the reference file cannot be used.
    """

    def __init__(self, dataset: Dataset, references: Mapping[str, Path], database: Database) -> None:
        self._dataset = dataset
        self._database = database
        self.shower = Shower(dataset)
        made = [column for column in dataset.columns if column not in dataset.source_columns]
        self._source = Verifier(dataset.source_columns, typed=False, shower=self.shower, database=database)
        self._made = Verifier(made, typed=True, shower=self.shower, database=database)
        self._made_columns = made
        is_json = dataset.pipeline.format.type not in ("csv", "fixed")
        names = {column.name for column in dataset.source_columns} if is_json else set()
        self._trusted = frozenset(names - set(dataset.pipeline.clean))
        self._inside_source, self._inside_made = self._properties(dataset.source_columns), self._properties(made)
        self._source.probe()
        self._made.probe()
        enrich = dataset.pipeline.enrich
        self._reference = Reference(dataset, enrich, references, database) if enrich else None
        self._clean = [self._clean_rule(name, rule) for name, rule in dataset.pipeline.clean.items()]
        self._filter = self._filter_rule(dataset.pipeline.filter) if dataset.pipeline.filter else None
        self._derive = list(self._derive_rules())
        self._goes_on = bool(self._filter or self._derive or self._reference or made)

    def _properties(self, columns: Sequence[Column]) -> Properties:
        form = self._dataset.pipeline.format
        nulls = frozenset(form.null_values)

        def normal(column: Column, part: Any) -> Any:  # noqa: ANN401 - JSON holds anything
            return of_xml(column, part, nulls) if form.type == "xml" else part

        return Properties(columns, normal=normal, shower=self.shower, database=self._database)

    def _clean_rule(self, name: str, expression: str) -> Rule:
        names = [column.name for column in self._dataset.source_columns]
        sql = compiled(expression, names, f"clean.{name}")
        rule = Rule(f"clean.{name}", name, expression, sql, text_outputs())
        probe(self._database, rule, pa.schema([(column, pa.string()) for column in names]).empty_table())
        return rule

    def _filter_rule(self, expression: str) -> Rule:
        columns = self._dataset.source_columns
        sql = compiled(expression, {column.name: column for column in columns}, "filter")
        rule = Rule("filter", "", expression, sql, truth_outputs())
        made = probe(self._database, rule, _empty(columns)).field("e").type
        if not pa.types.is_boolean(made):
            raise TerminalRuleError(f"filter: the rule {expression!r} gives {made}, not true or false")
        return rule

    def _derive_rules(self) -> Iterable[Rule]:
        known = list(self._dataset.source_columns)
        for name, expression in self._dataset.pipeline.derive.items():
            column = self._dataset.column(name)
            sql = compiled(expression, {item.name: item for item in known}, f"derive.{name}")
            bare = Rule(f"derive.{name}", name, expression, sql, ())
            made = probe(self._database, bare, _empty(known)).field("e").type
            yield Rule(bare.name, name, expression, sql, column_outputs(column, made))
            known.append(column)

    def run(self, texts: pa.Table, known: Failures) -> Outcome:
        """Run a block of text columns through the rules.

        Args:
            texts: the source columns, as text.
            known: what is wrong with rows already; they are checked, but go no further.
        """
        failures = {row: list(reasons) for row, reasons in known.items()}
        texts = self._run_clean(texts, failures)
        _join(failures, self._inside_source.check(texts))
        block = read_nested(texts, self._dataset.source_columns, self._trusted)
        typed, failing = self._source.run(block)
        self._explain(self._source, block, texts, failing, failures)
        failing[list(failures)] = True
        rows = np.flatnonzero(~failing)
        if not self._goes_on:  # whoever takes the rows leaves out more of them: filtering twice costs twice
            return Outcome(self._target(typed), ~failing, rows, rows[:0], failures)
        typed = typed.filter(pa.array(~failing)) if len(rows) < typed.num_rows else typed
        typed, rows, filtered = self._run_filter(typed, rows, failures)
        later: Failures = {}
        typed = self._run_enrich(self._run_derive(typed, later), later)
        if self._made_columns:
            made = typed.select([column.name for column in self._made_columns])
            _, failing = self._made.run(made)
            self._explain(self._made, made, made, failing, later)
            _join(later, self._inside_made.check(made))
        failures |= {int(rows[row]): reasons for row, reasons in later.items()}
        kept = np.ones(len(rows), np.bool_)
        kept[list(later)] = False
        return Outcome(self._target(typed), kept, rows[kept], filtered, failures)

    def _target(self, typed: pa.Table) -> pa.Table:
        return typed.select([column.name for column in self._dataset.columns])

    def _explain(
        self, verifier: Verifier, block: pa.Table, texts: pa.Table, failing: Bools, failures: Failures
    ) -> None:
        rows = np.flatnonzero(failing)
        if not len(rows):
            return
        taken = pa.array(rows)
        explained = verifier.explain(block.take(taken), texts.take(taken), rows)
        for row, reasons in zip(rows.tolist(), explained, strict=True):
            known = failures.setdefault(row, [])
            columns = {reason.column for reason in known}  # without a value there is nothing more to say of a column
            known.extend(reason for reason in reasons if reason.column not in columns)

    def _run_clean(self, texts: pa.Table, failures: Failures) -> pa.Table:
        cleaned = texts
        for rule in self._clean:
            found, failed = run_rule(self._database, rule, texts)
            self._fail(rule, texts, failed, failures)
            place = cleaned.column_names.index(rule.column)
            cleaned = cleaned.set_column(place, rule.column, found.column("value").cast(pa.string()))
        return cleaned

    def _run_filter(self, typed: pa.Table, rows: Ints, failures: Failures) -> tuple[pa.Table, Ints, Ints]:
        if self._filter is None or not typed.num_rows:
            return typed, rows, rows[:0]
        found, failed = run_rule(self._database, self._filter, typed)
        later: Failures = {}
        self._fail(self._filter, typed, failed, later)
        failures |= {int(rows[row]): reasons for row, reasons in later.items()}
        stays = found.column("value").fill_null(False).to_numpy().astype(np.bool_) & ~failed
        kept = typed if stays.all() else typed.filter(pa.array(stays))
        return kept, rows[stays], rows[~stays & ~failed]

    def _run_derive(self, typed: pa.Table, failures: Failures) -> pa.Table:
        for rule in self._derive:
            column = self._dataset.column(rule.column)
            if not typed.num_rows:
                typed = typed.append_column(rule.column, pa.array([], arrow_type(column, written=False)))
                continue
            found, failed = run_rule(self._database, rule, typed)
            self._fail(rule, typed, failed, failures)
            for row in np.flatnonzero(found.column("misfit").fill_null(False).to_numpy()).tolist():
                value = self.shower.value(rule.column, found.column("shown")[row].as_py())
                message = f"the rule gives {value}, which is no {_type_name(column)}; round or cast it in the rule"
                failures.setdefault(row, []).append(Failure(rule.name, rule.column, message))
            made = found.column("value").cast(arrow_type(column, written=False))
            typed = typed.append_column(rule.column, made)
        return typed

    def _run_enrich(self, typed: pa.Table, failures: Failures) -> pa.Table:
        if self._reference is None:
            return typed
        enrich = self._reference.enrich
        taken, missing = self._reference.take(typed.column(enrich.on))
        for name in taken.column_names:
            typed = typed.append_column(name, taken.column(name))
        if enrich.missing == "quarantine":
            for row in np.flatnonzero(missing).tolist():
                value = self.shower.value(enrich.on, typed.column(enrich.on)[row].as_py())
                message = f"{value} has no match in {enrich.with_}"
                reasons = failures.setdefault(row, [])
                reasons.append(Failure("enrich", enrich.on, message))
        return typed

    def _fail(self, rule: Rule, block: pa.Table, failed: Bools, failures: Failures) -> None:
        rows = np.flatnonzero(failed)
        if not len(rows):
            return
        taken = block.take(pa.array(rows))
        reasons = failure_reasons(self._database, rule, taken)
        for row, values, reason in zip(rows.tolist(), taken.to_pylist(), reasons, strict=True):
            inputs = self.shower.inputs(rule.expression, values)
            message = f"the rule {rule.expression} cannot be worked out for {inputs}"
            message += f": {reason}" if reason else ""
            failures.setdefault(row, []).append(Failure(rule.name, rule.column, message))


def _join(failures: Failures, more: Failures) -> None:
    for row, reasons in more.items():
        failures.setdefault(row, []).extend(reasons)


def _empty(columns: Iterable[Column]) -> pa.Table:
    return pa.schema([(column.name, arrow_type(column, written=False)) for column in columns]).empty_table()


def _type_name(column: Column) -> str:
    return f"NUMERIC({column.precision}, {column.scale})" if column.kind == "decimal" else column.kind
