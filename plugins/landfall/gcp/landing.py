"""What lies in the landing bucket and what the ledger says of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from include.crashpoints import boundary
from include.ledger.completeness import Held, Vouched, Waiting
from include.ledger.landing import Landed, is_temporary
from include.ledger.queries import states_sql
from include.ledger.tables import Ledger
from include.ledger.taking import Known, Taken, take
from include.spec.dataset import Dataset, load_dataset
from include.spec.settings import Settings, datasets_folder
from landfall.errors import Missing
from landfall.gcp.arrival import find_vouchers, judge
from landfall.gcp.breakers import Breakers
from landfall.gcp.storage import Storage, split_uri
from landfall.gcp.warehouse import Warehouse

# Lines about what waits, in a log or a skip's message.
_SHOWN = 20


@dataclass(frozen=True)
class Site:
    """One dataset in one deployment, and the clients that reach it.

    Args:
        read_only: whoever looks changes nothing: a ledger that is not there is not made, and knows of nothing.
    """

    dataset: Dataset
    settings: Settings
    storage: Storage
    warehouse: Warehouse
    breakers: Breakers
    read_only: bool = False

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

    def now(self) -> datetime:
        """Return the store's time; this machine's where nothing may be written to learn the store's."""
        return datetime.now(UTC) if self.read_only else self.storage.now(self.work_uri("clock"))

    def work_uri(self, *parts: str) -> str:
        """Return an address in the work bucket, below the dataset's folder."""
        return "/".join((f"gs://{self.settings.work}/{self.dataset.name}", *parts))


@dataclass(frozen=True)
class Findings:
    """What a look at the landing bucket found.

    Args:
        taken: what becomes of the files that count.
        vouched: file id to why the file counts, of the files to load.
        held: files to hold before anything of them is read.
        waiting: what waits, and for what.
    """

    taken: Taken = field(default_factory=Taken)
    vouched: Mapping[str, Vouched] = field(default_factory=dict)
    held: Sequence[Held] = ()
    waiting: Sequence[Waiting] = ()

    @property
    def open(self) -> tuple[Landed, ...]:
        """Files to load."""
        return self.taken.open

    @property
    def needs_run(self) -> bool:
        """Whether there is anything for a run to do."""
        taken = self.taken
        return bool(taken.open or taken.turned_away or taken.dead or taken.left_behind or self.held)

    def __str__(self) -> str:
        """What a person wants to know of it, in one line."""
        parts = [f"{len(self.open)} files to load"]
        counts = (
            (len(self.held), "to hold"),
            (len(self.taken.dead), "have failed too often and become dead letters"),
            (len(self.taken.left_behind), "are done and are moved away"),
            (len(self.taken.leased), "are taken by another run"),
            (len(self.taken.turned_away), "are new versions of loaded files and are turned away"),
        )
        parts += [f"{count} {what}" for count, what in counts if count]
        return ", ".join((*parts, *map(str, self.waiting[:_SHOWN])))


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
    vouchers = find_vouchers(site)
    voucher = site.dataset.pipeline.source.completeness.voucher
    landed = [
        item
        for item in site.storage.find(bucket, glob)
        if not is_temporary(item.name) and item.name.rpartition("/")[2] != voucher
    ]
    if not landed and not vouchers:
        return Findings()
    known = ask_states(site, bucket, (item.name for item in (*landed, *vouchers)))
    lease = site.settings.lease_seconds
    pipeline = site.dataset.pipeline
    taken = take(
        landed, known, pipeline.load, run_id=run_id, lease=lease, ended=ended, force=force,
        attempts=pipeline.retry.attempts,
    )  # fmt: skip

    def wanted(name: str) -> bool:
        return name.startswith(prefix) and (not names or name in names)

    arrived = judge(site, landed, vouchers, taken=taken, known=known, wanted=wanted, force=force)
    behind = [item for item in taken.left_behind if wanted(item.name)]
    taken = replace(
        taken,
        open=tuple(arrived.taken),
        left_behind=() if force else (*behind, *arrived.left),
        leased=tuple(item for item in taken.leased if wanted(item.name)),
        turned_away=tuple(item for item in taken.turned_away if wanted(item.name)),
        dead=tuple(item for item in taken.dead if wanted(item.name)),
    )
    return Findings(taken, arrived.vouched, arrived.held, arrived.waiting)


def ask_states(site: Site, bucket: str, names: Iterable[str]) -> list[Known]:
    """Ask the ledger for every version of some objects."""
    parameters = {"dataset": site.dataset.name, "bucket": bucket, "names": sorted(set(names))}
    return [Known.of(row) for row in ask_ledger(site, states_sql(site.ledger), parameters)]


def ask_ledger(site: Site, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ask the ledger; what is missing of it is made first: there is none, or one of an older release."""
    try:
        return site.warehouse.query(sql, parameters)
    except Missing:
        if site.read_only:
            return []
        create_ledger(site)
    return site.warehouse.query(sql, parameters)


def create_ledger(site: Site) -> None:
    """Make the ledger's datasets, tables, columns and views where they are missing."""
    ledger = site.ledger
    with boundary("ledger.dataset"):
        site.warehouse.ensure_dataset(ledger.dataset)
    with boundary("ledger.staging"):
        site.warehouse.ensure_dataset(ledger.staging_dataset, expiring=True)
    with boundary("ledger.tables"):
        site.warehouse.change(ledger.create_sql())
