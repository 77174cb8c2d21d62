"""From a dataset to its DAG."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param

from include.spec.dataset import Dataset
from include.spec.durations import parse_duration, parse_sla
from include.spec.settings import RUN_LIMIT
from landfall.clouds import cloud_of
from landfall.compat import HAS_DEADLINES, IngestDag
from landfall.notifiers.channels import channels
from landfall.notifiers.deadline import deadline_kwargs
from landfall.notifiers.failure import NotifyFailure
from landfall.retries import retry_args

# Fixed, so that two parses give the same DAG; in the past, so that the first run is due at once.
START = datetime(2026, 1, 1, tzinfo=UTC)
_TASK_LIMIT = timedelta(minutes=75)
_POKE = timedelta(seconds=60)
# Airflow checks every field's schema when a DAG is made, and a dozen times more when it is stored. Against the rules of
# this dialect that takes a fifth of the time, 5 ms a DAG less in all, and what stands in the form means the same in it.
_DIALECT = {"$schema": "http://json-schema.org/draft-07/schema#"}


def build_dag(dataset: Dataset, documents: dict[str, str]) -> DAG:
    """Make the DAG of a dataset.

    Args:
        dataset: the dataset.
        documents: file name to text of the files shown in the UI's documentation.
    """
    pipeline, contract = dataset.pipeline, dataset.contract
    description = (contract.description or {}).get("purpose", "")
    with IngestDag(
        dag_id=f"ingest_{dataset.name}",
        description=str(description).strip(),
        schedule=_schedule(pipeline.source.every),
        start_date=START,
        catchup=False,
        max_active_runs=1,
        tags=sorted({"landfall", "ingest", contract.domain or "data", *(contract.tags or ())}),
        default_args=_default_args(dataset),
        doc_md=_document(dataset, documents),
        params=_form(),
        dagrun_timeout=parse_duration(RUN_LIMIT),
        deadline=_deadline(dataset),
    ) as dag:
        _tasks(dataset)
    return dag


def _tasks(dataset: Dataset) -> None:
    cloud = cloud_of(dataset.pipeline.source.uri)
    given = dataset.pipeline.source.wait
    patience = parse_duration(given) if given else None
    wait = cloud.wait(
        dataset.name,
        once=patience is None,
        poke_interval=min(_POKE, patience or _POKE),
        timeout=patience or timedelta(0),
        soft_fail=patience is not None,
    )
    plan = cloud.plan(dataset.name)
    manifests = cloud.transform(dataset.name, plan.output)
    load = cloud.load(dataset.name, manifests)
    verify = cloud.verify(dataset.name)
    archive = cloud.archive(dataset.name, [asset_of(dataset)])
    wait >> plan >> load >> verify >> archive


def asset_of(dataset: Dataset) -> Asset:
    """Return the asset that a run of the dataset updates: its table."""
    schema, _, table = dataset.pipeline.load.table.partition(".")
    # Airflow looks for a normaliser of any other scheme, and imports every provider that has one: 0.6 s a parse.
    return Asset(name=f"{schema}.{table}", uri=f"x-landfall://{schema}/{table}")


def _schedule(every: str) -> str | timedelta:
    return every if every.startswith("@") or " " in every else parse_duration(every)


def _default_args(dataset: Dataset) -> dict[str, Any]:
    return {
        "owner": dataset.contract.owner,
        **retry_args(dataset.pipeline.retry),
        "execution_timeout": _TASK_LIMIT,
        "on_failure_callback": [
            NotifyFailure(dataset=dataset.name, channels=channels(dataset.contract.support, dataset.pipeline.notify))
        ],
    }


def _form() -> dict[str, Param]:
    # Nullable, and null by default: the UI takes any other field for one that must be filled in.
    return {
        "files": Param(
            None, type=["null", "array"], items={"type": "string"}, title="Files",
            description="object names in the landing bucket; none: all that are new", **_DIALECT,
        ),
        "prefix": Param(
            None, type=["null", "string"], title="Prefix", description="only objects whose name begins so", **_DIALECT
        ),
        "force": Param(
            False, type=["null", "boolean"], title="Load again",
            description="also files that are loaded or held already; their rows are replaced", **_DIALECT,
        ),
        "release": _names("Release", "held files to load in spite of the tolerance or of an incomplete set"),
        "reject": _names("Reject", "held files that are not to be loaded; they go to the archive"),
        "reason": Param(
            None, type=["null", "string"], title="Reason", description="why files are rejected", **_DIALECT
        ),
        "retry": _names("Retry", "dead letters to move back to where they landed"),
    }  # fmt: skip


def _names(title: str, what: str) -> Param:
    description = f"{what}: object names, addresses or file ids"
    return Param(
        None, type=["null", "array"], items={"type": "string"}, title=title, description=description, **_DIALECT
    )


def _deadline(dataset: Dataset) -> Any:  # noqa: ANN401 - absent on versions without a usable one
    """The run's deadline, from the contract's latency; None where it promises none or Airflow cannot keep it."""
    latency = next((p for p in dataset.contract.slaProperties if p.property == "latency"), None)
    interval = parse_sla(float(latency.value or 0), latency.unit) if latency and _is_number(latency.value) else None
    if not interval or not HAS_DEADLINES:
        return None
    from airflow.sdk.definitions import deadline

    told = channels(dataset.contract.support, dataset.pipeline.notify)
    return deadline.DeadlineAlert(
        reference=deadline.DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=deadline.SyncCallback(
            "landfall.notifiers.deadline.deadline_missed",
            kwargs=deadline_kwargs(dataset=dataset.name, channels=told),
        ),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _document(dataset: Dataset, documents: dict[str, str]) -> str:
    load = dataset.pipeline.load
    parts = [
        f"Takes `{dataset.pipeline.source.uri}` to `{load.table}` ({load.mode}).",
        *(f"### {name}\n```yaml\n{text.strip()}\n```" for name, text in documents.items()),
    ]
    return "\n\n".join(parts)
