"""One process of the parse benchmark: what a DAG processor's child does with one file; prints what it found as JSON.

python -m tests.bench.parse_probe nothing|parse|store [FILE]
"""

from __future__ import annotations

import json
import os
import resource
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

# Airflow's own import: of the DAG processor, whose children are forks of it, and of what it imports in advance
# because every DAG file has it.
import airflow.dag_processing.processor  # noqa: F401
from airflow.sdk import DAG, BaseOperator  # noqa: F401
from airflow.serialization.serialized_objects import DagSerialization


def cpu_seconds() -> float:
    """Return the CPU time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def parse(file: str) -> list[Any]:
    """Run a DAG file as Airflow does; returns its DAGs."""
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    DagContext.current_autoregister_module_name = name = "measured_dag_file"
    spec = spec_from_loader(name, SourceFileLoader(name, file))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = {id(value): value for value in vars(module).values() if isinstance(value, DAG)}
    found |= {id(dag): dag for dag, _ in DagContext.autoregistered_dags}
    return list(found.values())


def main(what: str, file: str = "") -> None:
    """Do it, and say how many DAGs there were and what storing them took."""
    dags = parse(file) if what != "nothing" else []
    before = cpu_seconds()
    if what == "store":
        for dag in dags:
            DagSerialization.to_dict(dag)
    print(json.dumps({"dags": len(dags), "serialise_cpu_s": cpu_seconds() - before}), flush=True)
    # As Airflow's children end: nobody there takes the DAGs apart again.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
