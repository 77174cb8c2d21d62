"""Settings come from the environment, once, and bad ones are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from include.spec.settings import DATASETS, Settings, datasets_folder


def test_without_variables_the_settings_are_those_of_a_laptop() -> None:
    settings = Settings.from_environment({})
    assert (settings.landing, settings.work, settings.archive) == (
        "landfall-landing",
        "landfall-work",
        "landfall-archive",
    )


def test_variables_are_read_and_an_empty_one_keeps_the_default() -> None:
    settings = Settings.from_environment({"LANDFALL_PROJECT": "p", "LANDFALL_LANDING": "b-1", "LANDFALL_WORK": ""})
    assert (settings.project, settings.landing, settings.work) == ("p", "b-1", "landfall-work")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANDFALL_LANDING", "gs://bucket"),
        ("LANDFALL_LANDING", "Bucket"),
        ("LANDFALL_LEASE", "an hour"),
        ("LANDFALL_WORK", "-x-"),
        ("LANDFALL_OPS_DATASET", "a.b"),
        ("LANDFALL_OPS_DATASET", "a-b`; DROP"),
    ],
)
def test_a_bad_value_is_refused_and_its_field_named(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name.removeprefix("LANDFALL_").lower()):
        Settings.from_environment({name: value})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.from_environment({}).project = "other"  # type: ignore[misc]


def test_the_datasets_folder_is_the_packages_unless_named() -> None:
    assert datasets_folder({}) == DATASETS
    assert datasets_folder({"LANDFALL_DATASETS": "/somewhere"}) == Path("/somewhere")
