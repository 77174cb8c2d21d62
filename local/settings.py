"""The environment variables with which clients and Airflow find the embedded cloud."""

from __future__ import annotations

import json
import os
from pathlib import Path

from local.paths import ROOT
from local.services import PROJECT


def endpoints(storage: str, bigquery: str, function: str) -> dict[str, str]:
    """Return where the services are, for the client libraries, the provider's hooks and our operators.

    Args:
        storage: address of the Cloud Storage emulator.
        bigquery: address of the BigQuery emulator.
        function: address of our Cloud Function.
    """
    connection = {"conn_type": "google_cloud_platform", "extra": {"project": PROJECT, "is_anonymous": True}}
    return {
        "STORAGE_EMULATOR_HOST": storage,
        "BIGQUERY_EMULATOR_HOST": bigquery,
        "LANDFALL_FUNCTION_URL": function,
        # There is no emulator of Dataflow: large files are for a process of the task.
        "LANDFALL_DATAFLOW": "local",
        # Without it gcsfs asks for the bucket's storage layout over gRPC, and hangs.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(connection),
    }


def airflow_settings(home: Path) -> dict[str, str]:
    """Return the settings of a local Airflow on this repository.

    Args:
        home: its AIRFLOW_HOME, where database, logs and generated configuration go.
    """
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # Airflow's command line would say at each start that it could not draw pictures.
        "PYTHONWARNINGS": "ignore:Could not import graphviz:UserWarning",
        # An empty value means unset: without compiled modules Airflow takes twice as long to start.
        "PYTHONDONTWRITEBYTECODE": "",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
    }
