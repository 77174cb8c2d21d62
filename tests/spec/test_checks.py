"""What contract and pipeline must satisfy together: each contradiction is found once, where it stands."""

from __future__ import annotations

from typing import Any

import pytest

CONTRACT, PIPELINE = "things/contract.yaml", "things/pipeline.yaml"
COLUMN = "schema.0.properties"


def column(number: int, **parts: Any) -> Any:
    def change(spec: Any) -> None:
        spec.columns[number].update(parts)

    return change


def options(number: int, **parts: Any) -> Any:
    return column(number, logicalTypeOptions=parts)


def pipeline(**parts: Any) -> Any:
    def change(spec: Any) -> None:
        for key, value in parts.items():
            held = spec.pipeline.get(key)
            spec.pipeline[key] = {**held, **value} if isinstance(held, dict) else value

    return change


def without_key(spec: Any) -> None:
    del spec.columns[0]["primaryKey"]
    spec.pipeline["load"]["mode"] = "merge"


def without_partition(spec: Any) -> None:
    del spec.columns[1]["partitioned"]
    spec.pipeline["load"]["mode"] = "replace_partition"
    spec.pipeline["source"]["complete"] = "marker"


def without_columns(spec: Any) -> None:
    spec.columns.clear()


def latency(value: Any, unit: str = "h") -> Any:
    def change(spec: Any) -> None:
        spec.contract["slaProperties"] = [{"property": "latency", "value": value, "unit": unit}]

    return change


FINDINGS = [
    (without_columns, CONTRACT, "schema.0", "has no columns", "properties"),
    (column(2, name="a note"), CONTRACT, f"{COLUMN}.2.name", "no name that BigQuery takes", "rename"),
    (column(2, name="_partition_x"), CONTRACT, f"{COLUMN}.2.name", "no name that BigQuery takes", "rename"),
    (column(2, name="_landfall_x"), CONTRACT, f"{COLUMN}.2.name", "no name that BigQuery takes", "rename"),
    (options(2, pattern="("), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.pattern", "no regular expression", "Mend"),
    (options(2, pattern="a{99999999999}"), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.pattern", "no regular", "Mend"),
    (options(2, pattern="a{2,1001}"), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.pattern", "RE2", "four-digit"),
    (options(2, pattern="(?=a)b"), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.pattern", "RE2", "look-around"),
    (options(2, pattern="(?<!a)b"), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.pattern", "RE2", "look-around"),
    (options(2, pattern=r"(a)\1"), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.pattern", "RE2", "back-references"),
    (options(2, pattern="a++"), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.pattern", "RE2", "possessive"),
    (options(2, minLength=5, maxLength=4), CONTRACT, f"{COLUMN}.2.logicalTypeOptions.minLength", "no value", "Exch"),
    (options(0, minimum=5, maximum=4), CONTRACT, f"{COLUMN}.0.logicalTypeOptions.minimum", "no value", "Exchange"),
    (options(0, maximum="9"), CONTRACT, f"{COLUMN}.0.logicalTypeOptions.maximum", "is no number", "`id`"),
    (options(0, multipleOf=0), CONTRACT, f"{COLUMN}.0.logicalTypeOptions.multipleOf", "above zero", "step"),
    (options(0, minLength=1), CONTRACT, f"{COLUMN}.0.logicalTypeOptions.minLength", "does not apply", "minimum"),
    (options(1, minimum="31.01.2026"), CONTRACT, f"{COLUMN}.1.logicalTypeOptions.minimum", "ISO 8601", "2026-01-31"),
    (without_key, PIPELINE, "load.mode", "needs a primary key", "primaryKey"),
    (without_partition, PIPELINE, "load.mode", "needs a partition column", "partitioned"),
    (pipeline(load={"mode": "merge", "redelivered": "replace"}), PIPELINE, "load.redelivered",
     "what the old version overwrote is gone", "Use `version`"),
    (pipeline(source={"complete": "marker"}, load={"mode": "replace_partition", "redelivered": "version"}), PIPELINE,
     "load.redelivered",
     "replaces its days", "Use `replace`"),
    (column(2, partitioned=True), CONTRACT, COLUMN, "more than one partitioned", "keep one"),
    (latency(0), CONTRACT, "slaProperties.0.value", "makes no deadline", "above zero"),
    (latency("1h"), CONTRACT, "slaProperties.0.value", "makes no deadline", "above zero"),
    (latency(1, "fortnight"), CONTRACT, "slaProperties.0.value", "makes no deadline", "unit"),
    (column(2, logicalType="number", unique=True), CONTRACT, f"{COLUMN}.2", "cannot be a key", "string"),
    (pipeline(clean={"nope": "id"}), PIPELINE, "clean.nope", "is no source column", "day, id, note"),
    (pipeline(derive={"nope": "id"}), PIPELINE, "derive.nope", "is no column", "day, id, note"),
    (pipeline(mask={"nope": "sha256"}), PIPELINE, "mask.nope", "is no column", "day, id, note"),
    (pipeline(mask={"id": "sha256"}), PIPELINE, "mask.id", "no string", "declare"),
    (pipeline(format={"rename": {"N": "nope"}}), PIPELINE, "format.rename.N", "no source column", "day, id, note"),
    (
        column(2, quality=[{"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": "N/A"}}]),
        CONTRACT,
        f"{COLUMN}.2.quality.0.arguments.missingValues",
        "no list",
        "brackets",
    ),
    (
        column(2, logicalType="object", logicalTypeOptions={"minProperties": 2, "maxProperties": 1}),
        CONTRACT,
        f"{COLUMN}.2.logicalTypeOptions.minProperties",
        "no value can pass",
        "Exchange",
    ),
    (pipeline(format={"type": "ndjson", "escape": "x"}), PIPELINE, "format.escape", "does not apply", "csv"),
    (pipeline(format={"type": "json", "footer_lines": 1}), PIPELINE, "format.footer_lines", "does not apply", "csv"),
    (
        pipeline(format={"escape": "\\", "null_values": ["\\N"]}),
        PIPELINE,
        "format.null_values",
        "escape character",
        "drop `escape`",
    ),
    (pipeline(format={"header": False, "rename": {"N": "id"}}), PIPELINE, "format.rename", "not there", "order"),
    (pipeline(load={"mode": "replace_partition"}), PIPELINE, "source.complete", "when a set is complete", "marker"),
    (
        pipeline(load={"mode": "replace_partition"}, source={"complete": {"stable": "5m"}}),
        PIPELINE, "source.complete", "when a set is complete", "manifest",
    ),
    (pipeline(load={"late": "load"}), PIPELINE, "load.late", "says nothing to `mode: append`", "Remove"),
    (pipeline(load={"late_after": "1h"}), PIPELINE, "load.late_after", "says nothing", "Remove"),
    (pipeline(source={"complete": "stable 5m"}), PIPELINE, "source.complete", "{stable: 5m}", "Change"),
    (pipeline(source={"complete": {"stable": "5"}}), PIPELINE, "source.complete.stable", "is a number and a unit",
     "Change"),
    (pipeline(source={"complete": {"stabel": "5m"}}), PIPELINE, "source.complete.stabel", "not a known key", "stable"),
    (pipeline(source={"complete": {"stable": "5m", "manifest": "x"}}), PIPELINE, "source.complete", "takes one key",
     "Change"),
    (pipeline(source={"complete": {"manifest": "../x"}}), PIPELINE, "source.complete.manifest", "must match", "Change"),
    (pipeline(filter="id"), PIPELINE, "filter", "not BOOL", "BOOL"),
    (pipeline(filter="nope > 1"), PIPELINE, "filter", "`nope`", "day, id, note"),
    (pipeline(clean={"note": "UPPER(nope)"}), PIPELINE, "clean.note", "`nope`", "day, id, note"),
    (pipeline(derive={"note": "note || 'x'"}), PIPELINE, "derive.note", "`note`", "day, id"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "file", "key", "message", "fix"), FINDINGS)
def test_a_contradiction_is_found_once_with_file_line_key_message_and_fix(
    spec: Any, change: Any, file: str, key: str, message: str, fix: str
) -> None:
    change(spec)
    problem = spec.problem()
    assert (problem.file, problem.key) == (file, key)
    assert message in problem.message
    assert fix in problem.fix
    assert problem.line > 0


def test_a_column_that_stands_twice_is_found_at_both_places(spec: Any) -> None:
    spec.columns.append({"name": "NOTE", "logicalType": "string"})
    problems = spec.problems()
    assert [problem.key for problem in problems] == [f"{COLUMN}.2.name", f"{COLUMN}.3.name"]


def test_two_fields_renamed_to_one_column_are_found_at_both_places(spec: Any) -> None:
    spec.pipeline["format"]["rename"] = {"N": "note", "Note": "note"}
    assert [problem.key for problem in spec.problems()] == ["format.rename.N", "format.rename.Note"]


@pytest.mark.parametrize("name", ["Things", "1things", "my-things", "x" * 64])
def test_a_folder_whose_name_makes_no_dag_id_is_found(spec: Any, name: str) -> None:
    assert "makes no DAG id" in spec.problem(name).message


def test_an_enriched_column_must_be_in_the_contract_and_come_from_one_place(spec: Any) -> None:
    spec.columns.append({"name": "region", "logicalType": "string"})
    spec.pipeline["enrich"] = {"with": "reference/r.csv", "on": "nope", "take": ["region", "absent"]}
    spec.pipeline["derive"] = {"region": "'x'"}
    assert [(problem.key, problem.message) for problem in spec.problems()] == [
        ("enrich.on", "is no source column"),
        ("enrich.take.0", "is derived as well"),
        ("enrich.take.1", "is no column of the contract"),
    ]


def test_options_of_an_arrays_items_are_checked_as_well(spec: Any) -> None:
    items = {"logicalType": "string", "logicalTypeOptions": {"pattern": "("}}
    spec.columns[2].update(logicalType="array", items=items)
    assert spec.problem().key == f"{COLUMN}.2.items.logicalTypeOptions.pattern"


@pytest.mark.parametrize(
    "pattern", [r"^[*+(?=]+\+$", r"a\\b", r"\(?=x", "[0-9]{1,1000}", "1,1001,1", "^(?:a|b)+?$", "(?P<n>x)", "(?i)a"]
)
def test_what_only_looks_foreign_to_re2_is_accepted(spec: Any, pattern: str) -> None:
    spec.columns[2]["logicalTypeOptions"] = {"pattern": pattern}
    assert spec.build().column("note").pattern == pattern


def test_bounds_of_dates_may_be_written_in_the_columns_own_format(spec: Any) -> None:
    spec.columns[1]["logicalTypeOptions"] = {"format": "dd.MM.yyyy", "minimum": "31.01.2020"}
    assert spec.build().column("day").minimum == "31.01.2020"


def test_a_derived_column_may_use_one_derived_before_it(spec: Any) -> None:
    spec.columns += [{"name": "a", "logicalType": "integer"}, {"name": "b", "logicalType": "integer"}]
    spec.pipeline["derive"] = {"a": "id + 1", "b": "a * 2"}
    assert set(spec.build().pipeline.derive) == {"a", "b"}
    spec.pipeline["derive"] = {"b": "a * 2", "a": "id + 1"}
    assert spec.problem().key == "derive.b"


def test_rules_are_left_unread_where_asked(spec: Any) -> None:
    from include.spec.dataset import build_dataset

    spec.pipeline["filter"] = "nonsense("
    import yaml

    texts = {
        "contract.yaml": yaml.safe_dump(spec.contract).encode(),
        "pipeline.yaml": yaml.safe_dump(spec.pipeline).encode(),
    }
    assert build_dataset("things", texts, rules=False).pipeline.filter == "nonsense("


@pytest.mark.parametrize(
    ("mode", "policy", "meant"),
    [
        ("append", None, "replace"), ("replace_partition", None, "replace"), ("merge", None, "version"),
        ("append", "skip", "skip"), ("merge", "skip", "skip"), ("append", "version", "version"),
    ],
)  # fmt: skip
def test_what_happens_to_a_redelivered_file_follows_from_the_mode_unless_it_is_said(
    mode: str, policy: str | None, meant: str
) -> None:
    from include.spec.pipeline import Load

    assert Load.model_validate({"table": "d.t", "mode": mode, "redelivered": policy}).policy == meant
