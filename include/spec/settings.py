"""What differs from one deployment to the next, read from the environment once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from include.spec.arrival import Duration
from include.spec.durations import parse_duration
from include.spec.model import Model

DATASETS = Path(__file__).resolve().parent.parent / "datasets"
# A run is ended after this time, and leaves the files that it has taken to others.
RUN_LIMIT = "6h"
_BUCKET = r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$"


class Settings(Model):
    """One deployment: its project, buckets, function and bookkeeping dataset."""

    project: str = Field("landfall-local", min_length=1)
    location: str = "US"
    landing: str = Field("landfall-landing", pattern=_BUCKET, description="bucket into which files land")
    work: str = Field("landfall-work", pattern=_BUCKET, description="bucket for plans, Parquet parts and manifests")
    archive: str = Field("landfall-archive", pattern=_BUCKET, description="bucket for source files once loaded")
    function_url: str = Field("", description="address of the transform function")
    dataflow: str = Field(
        "",
        pattern=r"^(local|gs://[a-z0-9][^\s]*/[^\s]+)?$",
        description="address of the Flex Template for large files; `local`: they are run in a process of the task",
    )
    dataflow_region: str = Field("", pattern=r"^([a-z]+-[a-z]+[0-9]+)?$", description="region of the jobs on Dataflow")
    dataflow_account: str = Field("", description="service account of the workers on Dataflow")
    dataflow_subnetwork: str = Field("", description="of the workers, as regions/…/subnetworks/…; empty: the default")
    dataflow_workers: int = Field(10, ge=1, le=1_000, strict=False, description="most workers of a job on Dataflow")
    mask_key_secret: str = Field("", description="where workers on Dataflow read the key of masks: a secret's version")
    raw_key_secret: str = Field("", description="where they read the keys of quarantined raw bytes")
    ops_dataset: str = Field("landfall_ops", pattern=r"^[A-Za-z0-9_]{1,1000}$")
    connection: str = Field("google_cloud_default", description="Airflow connection for Google Cloud")
    lease: Duration = Field(RUN_LIMIT, description="how long a file is left to a run that took it and may be alive")

    @property
    def lease_seconds(self) -> float:
        """How long a file is left to the run that took it."""
        return parse_duration(self.lease).total_seconds()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the LANDFALL_* variables; a missing one keeps its default.

        Raises:
            pydantic.ValidationError: a variable holds what its field does not allow.
        """
        found = {name: environ.get(f"LANDFALL_{name.upper()}") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in found.items() if value})


def datasets_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that holds the dataset folders."""
    named = environ.get("LANDFALL_DATASETS")
    return Path(named) if named else DATASETS
