"""`landfall release`, `reject` and `retry`: what a person decides of files that wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import exit_codes
from cli.errors import CliError, reported

if TYPE_CHECKING:
    from include.ledger.choosing import Version, Wish
    from landfall.gcp.landing import Site

Files = Annotated[list[str], typer.Argument(help="Object names, gs:// addresses or file ids.", metavar="FILE...")]
Dataset = Annotated[
    str | None, typer.Option("--dataset", "-d", help="Name of the files' dataset; needed where several have the name.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@reported
def release(files: Files, dataset: Dataset = None, json: Json = False) -> None:
    """Let held files be loaded by the next run, in spite of the tolerance or of an incomplete set.

    A file whose bytes cannot be read is held again. Of a name its newest version is meant. Ends with 3 for a file that
    the ledger does not know, with 1 for one that is not held; then nothing is changed.
    """
    from include.ledger.choosing import Wish
    from landfall.gcp import decisions

    def act(site: Site, run_id: str, versions: Sequence[Version]) -> list[dict[str, Any]]:
        decisions.release(site, run_id, versions)
        return [{}] * len(versions)

    _decide(Wish.RELEASE, files, dataset, act, "the next run takes it", json=json)


@reported
def reject(
    files: Files,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever looks later.", metavar="TEXT")],
    dataset: Dataset = None,
    json: Json = False,
) -> None:
    """Have held files never loaded: they go to the archive, and the dataset's channels are told.

    Ends with 3 for a file that the ledger does not know, with 1 for one that is not held; then nothing is changed.
    """
    from include.ledger.choosing import Wish
    from landfall.gcp import decisions

    if not reason.strip():
        raise CliError("--reason is empty; say why, for whoever looks later", exit_codes.USAGE)

    def act(site: Site, run_id: str, versions: Sequence[Version]) -> list[dict[str, Any]]:
        decisions.reject({"run_id": run_id}, site, run_id, versions, reason)
        return [{}] * len(versions)

    _decide(Wish.REJECT, files, dataset, act, "it is in the archive and is never loaded", json=json)


@reported
def retry(files: Files, dataset: Dataset = None, json: Json = False) -> None:
    """Move dead letters back to where they landed, as new versions, which the next run takes.

    Ends with 3 for a file that the ledger does not know, with 1 for one that is no dead letter; then nothing is
    changed.
    """
    from include.ledger.choosing import Wish
    from landfall.gcp import decisions

    def act(site: Site, run_id: str, versions: Sequence[Version]) -> list[dict[str, Any]]:
        return [{"new_generation": generation} for generation in decisions.retry(site, run_id, versions)]

    _decide(Wish.RETRY, files, dataset, act, "it lies where it landed, and the next run takes it", json=json)


def _decide(
    wish: Wish,
    files: Sequence[str],
    dataset: str | None,
    act: Callable[[Site, str, Sequence[Version]], list[dict[str, Any]]],
    then: str,
    *,
    json: bool,
) -> None:
    """Find the files, do what is wished of them dataset by dataset, and tell."""
    from cli.show import console, plain, print_json
    from landfall.errors import TerminalFailure, TransientFailure

    chosen = _chosen(wish, files, dataset)
    run_id = f"cli__{datetime.now(UTC).isoformat(timespec='seconds')}"
    done: list[dict[str, Any]] = []
    for name in sorted({version.dataset for version in chosen}):
        own = [version for version in chosen if version.dataset == name]
        try:
            more = act(_site(name), run_id, own)
        except TerminalFailure as failure:
            raise CliError(str(failure), exit_codes.PROBLEMS) from failure
        except TransientFailure as failure:
            raise CliError(f"{failure}. Try it again", exit_codes.UNREACHABLE) from failure
        done += [
            {"dataset": name, "uri": v.uri, "generation": v.generation, "file_id": v.file_id, **extra}
            for v, extra in zip(own, more, strict=True)
        ]
    if json:
        print_json({wish.done: done})
        return
    out = console()
    for item in done:
        out.print(f"{wish.done} {plain(item['uri'])} (generation {item['generation']}): {then}", soft_wrap=True)


def _chosen(wish: Wish, files: Sequence[str], dataset: str | None) -> list[Version]:
    from cli.clients import bigquery_client
    from cli.folders import chosen_folders, settings
    from cli.ledger import LedgerReader
    from include.ledger.choosing import ChoiceError, choose

    if dataset:
        chosen_folders([dataset])
    deployment = settings()
    reader = LedgerReader(bigquery_client(deployment), deployment)
    if not reader.exists():
        raise CliError("the ledger knows no file yet: no run has taken one", exit_codes.NOTHING)
    versions = reader.named(files, dataset or "")
    try:
        return choose(wish, files, versions, reader.names(wish.starts, dataset or ""))
    except ChoiceError as error:
        raise CliError(str(error), exit_codes.NOTHING if error.unknown else exit_codes.PROBLEMS) from error


def _site(name: str) -> Site:
    """The dataset's site, reached by this terminal's clients instead of an Airflow connection."""
    from cli.clients import bigquery_client, storage_client
    from cli.folders import read_dataset
    from landfall.gcp.landing import Site

    read_dataset(name)
    site = Site.of(name)
    site.storage.client = storage_client(site.settings)
    site.warehouse.client = bigquery_client(site.settings)
    return site
