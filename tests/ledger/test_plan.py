"""A batch is named by all that can change its answer, the keys of masks among it."""

from __future__ import annotations

from include.ledger.landing import Landed
from include.ledger.plan import Reference, make_plan
from tests.engine.builder import column, dataset

FILES = [Landed(bucket="b", name="a.csv", generation=1, size=1, checksum="c")]
MASKED = dataset(column("email"), mask={"email": "sha256"})
CLEAR = dataset(column("email"))
KEYS = {"mask": "m1", "raw": "r1"}


def batch(spec: object, engine: str = "1", **keys: str) -> str:
    plan = make_plan(spec, FILES, run_id="r", references={}, force=False, engine=engine, keys=keys)  # type: ignore[arg-type]
    return plan.batches[0].batch_id


def test_a_rotated_key_opens_a_new_batch_where_columns_are_masked() -> None:
    assert batch(MASKED, **KEYS) == batch(MASKED, raw="r1", mask="m1")
    names = [batch(MASKED, **keys) for keys in (KEYS, {**KEYS, "mask": "m2"}, {**KEYS, "raw": "r2"}, {"mask": "m1"})]
    assert len(set(names)) == len(names)


def test_keys_mean_nothing_where_no_column_is_masked() -> None:
    assert batch(CLEAR, **KEYS) == batch(CLEAR, mask="m2")


def test_the_functions_engine_counts_and_not_the_planners() -> None:
    assert batch(CLEAR, engine="1") != batch(CLEAR, engine="2")


def test_another_content_of_the_reference_opens_a_new_batch() -> None:
    spec = dataset(column("k"), column("x"), enrich={"with": "table:crm.t", "on": "k", "take": ["x"]})

    def named(uri: str, generation: int) -> str:
        pinned = {"table:crm.t": Reference(uri=uri, generation=generation)}
        return make_plan(spec, FILES, run_id="r", references=pinned, force=False).batches[0].batch_id

    assert named("gs://w/1.jsonl", 1) == named("gs://w/1.jsonl", 2) != named("gs://w/2.jsonl", 1)
