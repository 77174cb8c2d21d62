"""Support items and pipeline channels become the channels that are told."""

from __future__ import annotations

import pytest

from include.spec.contract import SupportItem
from include.spec.pipeline import Notify
from landfall.notifiers.channels import channels, from_plain, ignored, to_plain

LOG = Notify(type="log")


def item(**parts: str) -> SupportItem:
    return SupportItem.model_validate({"channel": "landfall", **parts})


def test_a_dataset_that_names_no_channel_writes_to_the_log() -> None:
    assert channels((), ()) == (LOG,)


@pytest.mark.parametrize(
    ("support", "channel"),
    [
        (item(tool="slack", channel="#data"), Notify(type="slack", to="#data")),
        (item(tool="Slack", channel="#data", scope="issues"), Notify(type="slack", to="#data")),
        (item(tool="email", url="mailto:data@example.com"), Notify(type="email", to="data@example.com")),
        (item(tool="email", url="mailto:a@b.example?subject=x"), Notify(type="email", to="a@b.example")),
        (item(tool="email", channel="data@example.com"), Notify(type="email", to="data@example.com")),
        (item(tool="pagerduty"), Notify(type="pagerduty")),
        (item(tool="webhook", url="https://h.example/x"), Notify(type="webhook", to="https://h.example/x")),
    ],
)
def test_a_support_item_becomes_a_channel_beside_the_log(support: SupportItem, channel: Notify) -> None:
    assert channels([support], ()) == (LOG, channel)


@pytest.mark.parametrize(
    ("support", "why"),
    [
        (item(tool="teams"), "'teams'"),
        (item(), "None"),
        (item(tool="slack", scope="announcements"), "takes no alerts"),
        (item(tool="email", channel="data team"), "no address"),
        (item(tool="webhook", url="http://h.example"), "https"),
    ],
)
def test_an_item_that_no_alert_can_go_to_is_left_out_and_says_why(support: SupportItem, why: str) -> None:
    assert channels([support], ()) == (LOG,)
    (note,) = ignored([support])
    assert "'landfall'" in note or "'data team'" in note
    assert why in note


def test_nothing_is_noted_about_an_item_that_is_told() -> None:
    assert ignored([item(tool="log"), item(tool="slack", channel="#data")]) == ()


def test_channels_keep_the_order_of_the_files_and_stand_once() -> None:
    support = [item(tool="slack", channel="#b"), item(tool="log"), item(tool="slack", channel="#a")]
    notify = [Notify(type="slack", to="#a"), Notify(type="email", to="x@example.com")]
    assert [(c.type, c.to) for c in channels(support, notify)] == [
        ("log", ""),
        ("slack", "#b"),
        ("slack", "#a"),
        ("email", "x@example.com"),
    ]


def test_a_connection_named_in_the_pipeline_replaces_the_default_one() -> None:
    support = [item(tool="slack", channel="#data"), item(tool="pagerduty")]
    notify = [
        Notify(type="slack", to="#data", connection="slack_shop"),
        Notify(type="pagerduty", connection="on_call_shop"),
    ]
    assert channels(support, notify) == (LOG, *notify)


def test_channels_survive_the_trip_as_plain_data() -> None:
    told = channels([item(tool="slack", channel="#data")], [Notify(type="webhook", connection="hook")])
    as_json = [list(triple) for triple in to_plain(told)]
    assert from_plain(as_json) == told
