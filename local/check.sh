#!/bin/bash
# `make check`: every check runs, so that one run shows everything there is to mend.
cd "$(dirname "$0")/.." || exit 1
bin=build/env/airflow/bin
failed=()
check() {
    echo "== $1"
    "${@:2}" || failed+=("$1")
}
check "ruff check" "$bin/python" -m ruff check .
check "ruff format" "$bin/python" -m ruff format --check .
check "mypy" "$bin/python" -m mypy
check "import rules" env PYTHONPATH=".:plugins" "$bin/lint-imports"
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'make check: failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
    exit 1
fi
echo "make check: all passed"
