"""Which file versions a person means, and what is said where that is not clear or not legal."""

from __future__ import annotations

from typing import Any

import pytest

from include.ledger.choosing import ChoiceError, Version, Wish, choose


def version(name: str, state: str, generation: int = 1, dataset: str = "orders", **more: Any) -> Version:
    own = {"reason": None, "run_id": "r", **more}
    return Version(dataset, f"{dataset}-{name}-{generation}", "in", name, generation, "", 1, state, **own)


HELD = version("orders/a.csv", "held", reason="over_tolerance: too many")


@pytest.mark.parametrize("given", ["orders/a.csv", "gs://in/orders/a.csv", HELD.file_id])
def test_a_file_is_named_by_name_address_or_id(given: str) -> None:
    assert choose(Wish.RELEASE, [given], [HELD], []) == [HELD]


def test_of_a_name_the_newest_version_is_meant_and_of_an_id_that_very_one() -> None:
    old, new = version("a", "dead_lettered", 1), version("a", "dead_lettered", 2)
    assert choose(Wish.RETRY, ["a"], [new, old], []) == [new]
    assert choose(Wish.RETRY, [old.file_id], [new, old], []) == [old]


@pytest.mark.parametrize(
    ("wish", "given", "says"),
    [
        (Wish.RELEASE, "orders/b.csv", r"is loaded; only a file that is held can be released"),
        (Wish.REJECT, "orders/b.csv", r"generation 1, is loaded"),
        (Wish.RETRY, "orders/a.csv", r"is held \(over_tolerance: too many\); only a file that is dead_lettered"),
        (Wish.RELEASE, "a.csv", r"did you mean orders/a.csv\?"),
        (Wish.RELEASE, "orders/aa.csv", r"did you mean orders/a.csv\?"),
        (Wish.RELEASE, "zzz", r"held are orders/a.csv"),
        (Wish.RELEASE, "gs://other/orders/a.csv", r"knows no file 'gs://other/orders/a.csv'"),
        (Wish.RELEASE, "both", r"is a file of orders and of shop: say of which dataset"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_state_or_a_near_name(wish: Wish, given: str, says: str) -> None:
    versions = [
        HELD,
        version("orders/b.csv", "loaded"),
        version("both", "held"),
        version("both", "held", dataset="shop"),
    ]
    with pytest.raises(ChoiceError, match=says) as caught:
        choose(wish, [given], versions, ["orders/a.csv"])
    assert "Nothing was changed" in str(caught.value)


def test_what_a_run_has_done_in_an_earlier_try_is_left_out() -> None:
    done = version("a", "released", run_id="own")
    assert choose(Wish.RELEASE, ["a"], [done], [], run_id="own") == []
    with pytest.raises(ChoiceError):
        choose(Wish.RELEASE, ["a"], [done], [], run_id="another")
