#!/bin/bash
# `make shell`: local/env.sh in a sub-shell; at its end the embedded cloud stops, if this started it.
cd "$(dirname "$0")/.." || exit 1
python="$(local/find-python)" || exit 1
"$python" -m local.cloud status >/dev/null 2>&1
before=$?
# shellcheck source=local/env.sh
source local/env.sh || exit 1
PS1="(landfall) ${PS1:-\\w\\$ }" "${SHELL:-/bin/bash}" "$@"
status=$?
if [ "$before" -ne 0 ]; then
    "$python" -m local.cloud down
fi
exit "$status"
