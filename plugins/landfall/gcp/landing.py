"""What lies in the landing bucket and what the ledger says of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from include.crashpoints import boundary
from include.ledger.landing import MARKER, Landed, in_complete_folders, is_temporary, still_open
from include.ledger.queries import states_sql
from include.ledger.states import DONE
from include.ledger.tables import Ledger
from include.spec.dataset import Dataset, load_dataset
from include.spec.settings import Settings, datasets_folder
from landfall.errors import Missing
from landfall.gcp.breakers import Breakers
from landfall.gcp.storage import Storage, split_uri
from landfall.gcp.warehouse import Warehouse


@dataclass(frozen=True)
class Site:
    """One dataset in one deployment, and the clients that reach it."""

    dataset: Dataset
    settings: Settings
    storage: Storage
    warehouse: Warehouse
    breakers: Breakers

    @classmethod
    def of(cls, name: str) -> Site:
        """Read the dataset's folder and the environment's settings.

        Raises:
            SpecError: the dataset's folder is wrong.
        """
        settings = Settings.from_environment()
        dataset = load_dataset(datasets_folder() / name, rules=False)
        breakers = Breakers(settings, dataset, lambda: storage.client)
        storage = Storage(settings.connection, breakers.storage)
        return cls(
            dataset=dataset,
            settings=settings,
            storage=storage,
            warehouse=Warehouse(settings.connection, settings.project, settings.location, breakers.warehouse),
            breakers=breakers,
        )

    @property
    def ledger(self) -> Ledger:
        """The ledger of this deployment."""
        return Ledger(self.settings.project, self.settings.ops_dataset)

    @property
    def source(self) -> tuple[str, str]:
        """Bucket and glob of the dataset's files."""
        return split_uri(self.dataset.pipeline.source.uri.replace("{landing}", self.settings.landing))

    def work_uri(self, *parts: str) -> str:
        """Return an address in the work bucket, below the dataset's folder."""
        return "/".join((f"gs://{self.settings.work}/{self.dataset.name}", *parts))


@dataclass(frozen=True)
class Findings:
    """What a look at the landing bucket found.

    Args:
        open: files to load.
        left_behind: files that are loaded and still lie there, in the very generation loaded.
        waiting: files whose set is not complete yet.
    """

    open: list[Landed]
    left_behind: list[Landed]
    waiting: int


def look(site: Site, *, names: Collection[str] = (), prefix: str = "", force: bool = False) -> Findings:
    """Look which landed files a run should load.

    Args:
        names: object names to keep; none: all.
        prefix: object name prefix to keep.
        force: also files that the ledger shows as done.
    """
    bucket, glob = site.source
    landed = [
        item
        for item in site.storage.find(bucket, glob)
        if not is_temporary(item.name) and item.name.startswith(prefix) and (not names or item.name in names)
    ]
    whole = _complete(site, bucket, glob, landed)
    if not whole:
        return Findings([], [], waiting=len(landed))
    states = _states(site, bucket, whole)
    done = [item for item in whole if states.get(item.file_id) in DONE]
    opened = sorted(whole, key=lambda item: item.name) if force else still_open(whole, states)
    return Findings(opened, [] if force else done, waiting=len(landed) - len(whole))


def _complete(site: Site, bucket: str, glob: str, landed: list[Landed]) -> list[Landed]:
    if site.dataset.pipeline.source.complete == "none" or not landed:
        return landed
    markers = site.storage.find(bucket, f"{glob.rpartition('/')[0]}/{MARKER}")
    return in_complete_folders(landed, [marker.name for marker in markers])


def _states(site: Site, bucket: str, landed: list[Landed]) -> dict[str, str]:
    parameters = {
        "dataset": site.dataset.name,
        "bucket": bucket,
        "names": sorted({item.name for item in landed}),
    }
    try:
        rows = site.warehouse.query(states_sql(site.ledger), parameters)
    except Missing:  # the first run of all: there is no ledger yet
        create_ledger(site)
        return {}
    return {row["file_id"]: row["state"] for row in rows}


def create_ledger(site: Site) -> None:
    """Make the ledger's datasets, tables and view where they are missing."""
    ledger = site.ledger
    with boundary("ledger.dataset"):
        site.warehouse.ensure_dataset(ledger.dataset)
    with boundary("ledger.staging"):
        site.warehouse.ensure_dataset(ledger.staging_dataset, expiring=True)
    with boundary("ledger.tables"):
        site.warehouse.change(ledger.create_sql())
