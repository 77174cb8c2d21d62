"""What lies in the landing bucket and what the ledger says of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from include.ledger.landing import MARKER, Landed, in_complete_folders, is_temporary
from include.ledger.queries import states_sql
from include.ledger.tables import Ledger
from include.ledger.taking import Known, Taken, take
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
        taken: what becomes of the files that a run may take.
        waiting: files whose set is not complete yet.
    """

    taken: Taken = field(default_factory=Taken)
    waiting: int = 0

    @property
    def open(self) -> tuple[Landed, ...]:
        """Files to load."""
        return self.taken.open

    @property
    def needs_run(self) -> bool:
        """Whether there is anything for a run to do."""
        return bool(self.taken.open or self.taken.turned_away)

    def __str__(self) -> str:
        """What a person wants to know of it, in one line."""
        parts = [f"{len(self.open)} files to load"]
        counts = (
            (self.waiting, "wait for their set to be complete"),
            (len(self.taken.leased), "are taken by another run"),
            (len(self.taken.turned_away), "are new versions of loaded files and are turned away"),
        )
        return ", ".join(parts + [f"{count} {what}" for count, what in counts if count])


def look(
    site: Site,
    *,
    run_id: str,
    ended: Callable[[str], bool],
    names: Collection[str] = (),
    prefix: str = "",
    force: bool = False,
) -> Findings:
    """Look which landed files a run should load.

    Args:
        run_id: the run that looks.
        ended: whether another run is known to have ended.
        names: object names to keep; none: all.
        prefix: object name prefix to keep.
        force: also files that the ledger shows as done, or as taken by another run.
    """
    bucket, glob = site.source
    landed = [
        item
        for item in site.storage.find(bucket, glob)
        if not is_temporary(item.name) and item.name.startswith(prefix) and (not names or item.name in names)
    ]
    if not landed:
        return Findings()
    known = ask_states(site, bucket, (item.name for item in landed))
    complete = {item.file_id for item in _complete(site, bucket, glob, landed)}
    whole = [item for item in landed if item.file_id in complete | released_with_set(site, landed, known)]
    taken = take(
        whole,
        known,
        site.dataset.pipeline.load,
        run_id=run_id,
        lease=site.settings.lease_seconds,
        ended=ended,
        force=force,
    )
    return Findings(taken, waiting=len(landed) - len(whole))


def released_with_set(site: Site, landed: Iterable[Landed], known: Iterable[Known]) -> set[str]:
    """Ids of files that wait for no set: a person released them or, where a folder is loaded whole, one of it."""
    ids = {item.file_id for item in known if item.released}
    if site.dataset.pipeline.load.mode != "replace_partition":
        return ids
    folders = {item.folder for item in landed if item.file_id in ids}
    return {item.file_id for item in landed if item.folder in folders}


def _complete(site: Site, bucket: str, glob: str, landed: list[Landed]) -> list[Landed]:
    if site.dataset.pipeline.source.complete == "none":
        return landed
    markers = site.storage.find(bucket, f"{glob.rpartition('/')[0]}/{MARKER}")
    return in_complete_folders(landed, [marker.name for marker in markers])


def ask_states(site: Site, bucket: str, names: Iterable[str]) -> list[Known]:
    """Ask the ledger for every version of some objects; makes the ledger where there is none."""
    parameters = {"dataset": site.dataset.name, "bucket": bucket, "names": sorted(set(names))}
    try:
        rows = site.warehouse.query(states_sql(site.ledger), parameters)
    except Missing:  # the first run of all: there is no ledger yet
        create_ledger(site)
        return []
    return [Known.of(row) for row in rows]


def create_ledger(site: Site) -> None:
    """Make the ledger's datasets, tables and view where they are missing."""
    ledger = site.ledger
    site.warehouse.ensure_dataset(ledger.dataset)
    site.warehouse.ensure_dataset(ledger.staging_dataset, expiring=True)
    site.warehouse.query(ledger.create_sql())
