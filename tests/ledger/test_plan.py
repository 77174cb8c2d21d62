"""A batch is named by all that can change its answer, the keys of masks among it."""

from __future__ import annotations

from include.ledger.landing import Landed
from include.ledger.plan import make_plan
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
