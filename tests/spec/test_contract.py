"""ODCS contracts are read as other tools write them, and refused as the standard refuses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import validator_for

from include.spec.contract import Contract
from include.spec.document import parse_yaml
from include.spec.settings import DATASETS

NAMES = ("events", "inventory", "orders")


def official(odcs: Path) -> Any:
    schema = json.loads((odcs / "schema" / "odcs-json-schema-v3.1.0.json").read_text(encoding="utf-8"))
    return validator_for(schema)(schema)


def test_all_examples_of_the_standard_load(odcs: Path) -> None:
    examples = sorted((odcs / "docs" / "examples").rglob("*.odcs.yaml"))
    assert len(examples) == 18
    for path in examples:
        contract = Contract.model_validate(parse_yaml(path.read_bytes(), path.name))
        assert contract.kind == "DataContract"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_contracts_are_valid_by_the_standards_own_schema(odcs: Path, name: str) -> None:
    data = parse_yaml((DATASETS / name / "contract.yaml").read_bytes(), name)
    assert list(official(odcs).iter_errors(data)) == []


def column(**changes: Any) -> dict[str, Any]:
    return {"schema": [{"name": "things", "properties": [{"name": "id", "logicalType": "integer", **changes}]}]}


def text_column(**options: Any) -> dict[str, Any]:
    return column(logicalType="string", logicalTypeOptions=options)


BROKEN = {
    "no kind": {"kind": None},
    "another kind": {"kind": "DataProduct"},
    "no id": {"id": None},
    "no status": {"status": None},
    "a number as version": {"version": 1},
    "an unknown standard": {"apiVersion": "v9.0.0"},
    "an unknown key": {"kin": "x"},
    "a schema that is no list": {"schema": {"name": "things"}},
    "a table without a name": {"schema": [{"properties": []}]},
    "a column without a name": column(name=None),
    "an unknown logical type": column(logicalType="int"),
    "a misspelt option": text_column(maxlength=3),
    "a negative length": text_column(minLength=-1),
    "a length that is text": text_column(minLength="3"),
    "an option of another type": text_column(minimum=3),
    "a length of a number": column(logicalTypeOptions={"maxLength": 3}),
    "a bound that is text": column(logicalTypeOptions={"minimum": "3"}),
    "a step of zero": column(logicalTypeOptions={"multipleOf": 0}),
    "a width that is none": column(logicalTypeOptions={"format": "i7"}),
    "a date bound that is a number": column(logicalType="date", logicalTypeOptions={"minimum": 2020}),
    "required that is text": column(required="yes"),
    "a key position that is text": column(primaryKeyPosition="1"),
    "an unknown metric": column(quality=[{"metric": "nulls", "mustBe": 0}]),
    "a range of one": column(quality=[{"metric": "rowCount", "mustBeBetween": [1]}]),
    "a support item without a channel": {"support": [{"tool": "slack"}]},
    "an sla without a value": {"slaProperties": [{"property": "latency"}]},
    "a team that is text": {"team": "shop"},
    "a member that is a number": {"team": {"members": [{"username": 7}]}},
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_the_standard_refuses_is_refused_here_with_a_place_and_a_fix(odcs: Path, spec: Any, what: str) -> None:
    spec.contract.update(BROKEN[what])
    spec.contract = {key: value for key, value in spec.contract.items() if value is not None}
    for table in spec.contract.get("schema", []):
        for prop in table.get("properties", []) if isinstance(table, dict) else []:
            if prop.get("name", "") is None:
                del prop["name"]
    assert list(official(odcs).iter_errors(spec.contract))
    for problem in spec.problems():
        assert problem.file == "things/contract.yaml"
        assert problem.line > 0
        assert problem.fix


def test_a_misspelt_key_is_named_with_file_line_key_value_and_fix(orders: Any) -> None:
    from include.spec.dataset import load_dataset
    from include.spec.errors import SpecError

    orders.change("contract.yaml", "classification: restricted", "clasification: restricted")
    with pytest.raises(SpecError) as caught:
        load_dataset(orders.path)
    (problem,) = caught.value.problems
    line = orders.line("contract.yaml", "clasification")
    assert str(problem) == (
        f"orders/contract.yaml:{line}: schema.0.properties.3.clasification: is not a known key (got restricted). "
        "Did you mean `classification`?"
    )


def test_a_team_may_be_a_list_of_members_as_in_v3_0(spec: Any) -> None:
    spec.contract["apiVersion"] = "v3.0.2"
    spec.contract["domain"] = "shop"
    spec.contract["team"] = [{"username": "someone@example.com", "role": "owner", "dateIn": "2024-01-01"}]
    contract = spec.build().contract
    assert contract.team[0].role == "owner"
    assert contract.owner == "shop"


@pytest.mark.parametrize(
    ("parts", "owner"),
    [
        ({"team": {"name": "shop-data"}, "domain": "shop"}, "shop-data"),
        ({"team": {"members": []}, "domain": "shop"}, "shop"),
        ({}, "data"),
    ],
)
def test_the_owner_is_the_team_or_else_the_domain(spec: Any, parts: dict[str, Any], owner: str) -> None:
    spec.contract.update(parts)
    assert spec.build().contract.owner == owner


def test_a_contract_cannot_be_changed(spec: Any) -> None:
    with pytest.raises(ValueError, match="frozen"):
        spec.build().contract.name = "other"
