#!/bin/bash
# `make test`: all tests on the Airflow we deploy, or the DAG and plugin tests on another locked one.
set -euo pipefail
cd "$(dirname "$0")/.."
version="$1"
shift
python="$(local/find-python)"
current="$(sed -n 's/^apache-airflow==\([0-9.]*\).*/\1/p' requirements/airflow.txt)"
export PYTHONPATH=".:plugins"
# Files stay together, for a file's tests share their emulators. Much of the time is waiting, so four workers help even
# where there are two cores. In the order of their folders: long files of few tests are not left to the end.
spread=(-n "${WORKERS:-4}" --dist loadfile --no-loadscope-reorder)
if [ "$version" = "$current" ]; then
    "$python" -m local.environments airflow function emulators --dev
    exec build/env/airflow/bin/python -m pytest "${spread[@]}" "$@"
fi
if [ ! -f "requirements/airflow-$version.txt" ]; then
    echo "make test: there is no lock for Airflow $version; AIRFLOW is $current or one of:" \
        "$(cd requirements && ls airflow-*.txt | sed 's/^airflow-//; s/\.txt$//' | tr '\n' ' ')" >&2
    exit 2
fi
"$python" -m local.environments "airflow-$version" function emulators --dev
# Sets and replays run below Airflow there; whole runs of both are among the DAG tests.
exec "build/env/airflow-$version/bin/python" -m pytest "${spread[@]}" tests/dags tests/plugins \
    --ignore tests/plugins/gcp/test_complete_sets.py --ignore tests/plugins/gcp/replay "$@"
