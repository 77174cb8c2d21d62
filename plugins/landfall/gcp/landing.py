"""What lies in the landing bucket and what the ledger says of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from include.ledger.completeness import Held, Vouched, Waiting
from include.ledger.landing import Landed, is_temporary, still_open
from include.ledger.queries import states_sql
from include.ledger.states import DONE
from include.ledger.tables import Ledger
from include.spec.dataset import Dataset, load_dataset
from include.spec.settings import Settings, datasets_folder
from landfall.gcp.arrival import find_vouchers, judge
from landfall.gcp.storage import Storage, split_uri
from landfall.gcp.warehouse import Warehouse

# Lines about what waits, in a log or a skip's message.
_SHOWN = 20


@dataclass(frozen=True)
class Site:
    """One dataset in one deployment, and the clients that reach it."""

    dataset: Dataset
    settings: Settings
    storage: Storage
    warehouse: Warehouse

    @classmethod
    def of(cls, name: str) -> Site:
        """Read the dataset's folder and the environment's settings.

        Raises:
            SpecError: the dataset's folder is wrong.
        """
        settings = Settings.from_environment()
        return cls(
            dataset=load_dataset(datasets_folder() / name, rules=False),
            settings=settings,
            storage=Storage(settings.connection),
            warehouse=Warehouse(settings.connection, settings.project, settings.location),
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
        vouched: file id to why the file counts, of the files to load.
        held: files to hold before anything of them is read.
        waiting: what waits, and for what.
    """

    open: list[Landed]
    left_behind: list[Landed]
    vouched: Mapping[str, Vouched] = field(default_factory=dict)
    held: Sequence[Held] = ()
    waiting: Sequence[Waiting] = ()

    @property
    def needs_run(self) -> bool:
        """Whether there is anything for a run to do."""
        return bool(self.open or self.held)

    def __str__(self) -> str:
        """What a person wants to know of it, in one line."""
        counts = [f"{len(self.open)} files to load"]
        if self.held:
            counts.append(f"{len(self.held)} to hold")
        return ", ".join((*counts, *map(str, self.waiting[:_SHOWN])))


def look(site: Site, *, names: Collection[str] = (), prefix: str = "", force: bool = False) -> Findings:
    """Look which landed files a run should load.

    Args:
        names: object names to keep; none: all.
        prefix: object name prefix to keep.
        force: also files that the ledger shows as done.
    """
    bucket, glob = site.source
    vouchers = find_vouchers(site)
    voucher = site.dataset.pipeline.source.completeness.voucher
    landed = [
        item
        for item in site.storage.find(bucket, glob)
        if not is_temporary(item.name) and item.name.rpartition("/")[2] != voucher
    ]
    if not landed and not vouchers:
        return Findings([], [])

    def wanted(name: str) -> bool:
        return name.startswith(prefix) and (not names or name in names)

    states = _states(site, bucket, [*landed, *vouchers])
    opened = landed if force else still_open(landed, states)
    arrived = judge(site, landed, vouchers, opened=opened, states=states, wanted=wanted, force=force)
    done = [item for item in landed if states.get(item.file_id) in DONE and wanted(item.name)]
    return Findings(
        open=sorted(arrived.taken, key=lambda item: item.name),
        left_behind=[] if force else [*done, *arrived.left],
        vouched=arrived.vouched,
        held=arrived.held,
        waiting=arrived.waiting,
    )


def _states(site: Site, bucket: str, landed: list[Landed]) -> dict[str, str]:
    from google.cloud.exceptions import NotFound

    parameters = {
        "dataset": site.dataset.name,
        "bucket": bucket,
        "names": sorted({item.name for item in landed}),
    }
    try:
        rows = site.warehouse.query(states_sql(site.ledger), parameters)
    except NotFound:  # the first run of all: there is no ledger yet
        create_ledger(site)
        return {}
    return {row["file_id"]: row["state"] for row in rows}


def create_ledger(site: Site) -> None:
    """Make the ledger's datasets, tables and view where they are missing."""
    ledger = site.ledger
    site.warehouse.ensure_dataset(ledger.dataset)
    site.warehouse.ensure_dataset(ledger.staging_dataset, expiring=True)
    site.warehouse.query(ledger.create_sql())
