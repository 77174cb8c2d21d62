"""The usual hand-written DAG: the provider's operators, imported at the top as its documentation shows them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.providers.google.cloud.operators.bigquery import (  # noqa: TID253 - what is measured
    BigQueryCheckOperator,
    BigQueryInsertJobOperator,
)
from airflow.providers.google.cloud.sensors.gcs import GCSObjectExistenceSensor  # noqa: TID253
from airflow.providers.google.cloud.transfers.gcs_to_bigquery import GCSToBigQueryOperator  # noqa: TID253
from airflow.providers.google.cloud.transfers.gcs_to_gcs import GCSToGCSOperator  # noqa: TID253
from airflow.sdk import DAG, BaseOperator, Param

START = datetime(2026, 1, 1, tzinfo=UTC)


class Trivial(BaseOperator):
    """Does nothing."""

    def execute(self, context: Any) -> None:
        """Do nothing."""


for number in range(int(os.environ.get("LANDFALL_BENCH_DAGS", "1"))):
    name = f"usual_{number:04}"
    with DAG(dag_id=name, schedule=None, start_date=START, params={"prefix": Param("", type="string")}):
        wait = GCSObjectExistenceSensor(
            task_id="wait", bucket="landing", object=f"{name}/{{{{ ds }}}}.csv", mode="reschedule"
        )
        load = GCSToBigQueryOperator(
            task_id="load",
            bucket="landing",
            source_objects=[f"{name}/{{{{ ds }}}}.csv"],
            destination_project_dataset_table=f"staging.{name}",
            write_disposition="WRITE_TRUNCATE",
        )
        merge = BigQueryInsertJobOperator(
            task_id="merge",
            configuration={
                "query": {"query": f"INSERT shop.{name} SELECT * FROM staging.{name}", "useLegacySql": False}
            },
        )
        check = BigQueryCheckOperator(task_id="check", sql=f"SELECT COUNT(*) FROM shop.{name}", use_legacy_sql=False)
        archive = GCSToGCSOperator(
            task_id="archive",
            source_bucket="landing",
            source_object=f"{name}/{{{{ ds }}}}.csv",
            destination_bucket="archive",
            move_object=True,
        )
        wait >> load >> merge >> check >> archive

with DAG(dag_id="usual", schedule=None, start_date=START):
    Trivial(task_id="trivial")
