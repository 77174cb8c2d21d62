"""`landfall drop`, against the storage emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import exit_codes
from cli.clients import storage_client
from cli.folders import settings
from cli.main import app

runner = CliRunner()


def _content(name: str) -> bytes | None:
    client = storage_client(settings())
    blob = client.bucket("landfall-landing").blob(name)
    return bytes(blob.download_as_bytes()) if blob.exists() else None


@pytest.fixture
def storage(in_cloud: object) -> Iterator[None]:
    """Cloud Storage, in which nothing is left behind for a later run."""
    yield
    for blob in storage_client(settings()).list_blobs("landfall-landing"):
        blob.delete()


@pytest.fixture
def order(tmp_path: Path) -> Path:
    path = tmp_path / "one order é.csv"
    path.write_bytes(b"order_id\n1\n")
    return path


@pytest.mark.usefixtures("storage")
def test_a_file_lands_where_its_dataset_looks_for_it(order: Path) -> None:
    answer = runner.invoke(app, ["drop", "orders", str(order)])

    assert answer.exit_code == exit_codes.OK, answer.output
    assert "gs://landfall-landing/orders/one order é.csv" in answer.output
    assert _content("orders/one order é.csv") == b"order_id\n1\n"


@pytest.mark.usefixtures("storage")
def test_json_names_the_version_that_was_made(order: Path) -> None:
    answer = runner.invoke(app, ["drop", "orders", str(order), "--as", "json.csv", "--json"])

    (dropped,) = json.loads(answer.stdout)["dropped"]
    assert dropped["uri"] == "gs://landfall-landing/orders/json.csv"
    assert dropped["size"] == 11
    assert dropped["generation"] > 0


@pytest.mark.usefixtures("storage")
def test_a_misnamed_file_is_refused_and_none_of_its_companions_lands(order: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "orders.json"
    wrong.write_bytes(b"{}")
    order = order.rename(tmp_path / "companion.csv")

    answer = runner.invoke(app, ["drop", "orders", str(order), str(wrong)])

    assert answer.exit_code == exit_codes.USAGE
    assert "orders/*.csv*" in answer.output
    assert _content("orders/companion.csv") is None


@pytest.mark.usefixtures("storage")
def test_a_name_that_every_dataset_leaves_alone_is_refused(order: Path) -> None:
    answer = runner.invoke(app, ["drop", "orders", str(order), "--as", "a.csv.part"])

    assert answer.exit_code == exit_codes.USAGE
    assert "half-written" in answer.output


def _stock(tmp_path: Path, day: str) -> Path:
    path = tmp_path / day / "stock-DE01.csv"
    path.parent.mkdir()
    path.write_bytes(b"Day\n")
    return path


@pytest.mark.usefixtures("storage")
def test_a_folder_is_marked_complete_when_told_to(tmp_path: Path) -> None:
    runner.invoke(app, ["drop", "inventory", str(_stock(tmp_path, "2026-01-01"))])
    runner.invoke(app, ["drop", "inventory", str(_stock(tmp_path, "2026-01-02")), "--complete"])

    assert _content("inventory/2026-01-01/stock-DE01.csv") == b"Day\n"
    assert _content("inventory/2026-01-01/_SUCCESS") is None
    assert _content("inventory/2026-01-02/_SUCCESS") == b""


@pytest.mark.usefixtures("storage")
def test_a_marker_among_the_files_marks_the_folder(tmp_path: Path) -> None:
    stock = _stock(tmp_path, "2026-01-03")
    marker = stock.with_name("_SUCCESS")
    marker.touch()

    answer = runner.invoke(app, ["drop", "inventory", str(marker), str(stock)])

    assert answer.exit_code == exit_codes.OK, answer.output
    assert _content("inventory/2026-01-03/_SUCCESS") == b""


@pytest.mark.parametrize(
    "arguments",
    [
        ["drop", "orders", "{order}", "--complete"],
        ["drop", "orders", "no-such-file.csv"],
        ["drop", "orders", "{order}", "{order}", "--as", "a.csv"],
        ["drop", "nothing", "{order}"],
    ],
)
def test_wrong_usage_is_told_before_any_service_is_asked(arguments: list[str], order: Path) -> None:
    answer = runner.invoke(app, [part.format(order=order) for part in arguments])

    assert answer.exit_code == exit_codes.USAGE
    assert answer.output.startswith("landfall: ")


def test_a_service_that_does_not_answer_is_named_with_the_way_to_start_it(
    order: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")

    answer = runner.invoke(app, ["drop", "orders", str(order)])

    assert answer.exit_code == exit_codes.UNREACHABLE
    assert "Cloud Storage" in answer.output
    assert "make ui" in answer.output
