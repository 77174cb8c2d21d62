# To be sourced (bash or zsh): `source local/env.sh`. Makes `airflow` and `landfall` talk to the embedded
# cloud of this clone, which is started if it does not run. `make stop` stops it.

_landfall_env() {
    local here root python started exports
    if [ -n "${BASH_VERSION:-}" ]; then
        here="${BASH_SOURCE[0]}"
    elif [ -n "${ZSH_VERSION:-}" ]; then
        # What zsh calls the file being sourced; eval, since bash could not even parse it.
        eval 'here="${funcsourcetrace[1]%:*}"'
    else
        echo "landfall: source this in bash or zsh" >&2
        return 1
    fi
    root="$(cd "$(dirname "$here")/.." && pwd -P)" || return 1
    python="$("$root/local/find-python")" || return 1
    unset PYTHONDONTWRITEBYTECODE PYTHONHOME
    started="$(cd "$root" && env -u PYTHONPATH "$python" -m local.start)" || { echo "$started"; return 1; }
    exports="$(cd "$root" && env -u PYTHONPATH "$python" -m local.cloud env)" || return 1
    eval "$exports"
    case ":$PATH:" in
        *":$root/local/bin:"*) ;;
        *) export PATH="$root/local/bin:$root/build/env/airflow/bin:$PATH" ;;
    esac
    echo "$started"
}

_landfall_env
_landfall_status=$?
unset -f _landfall_env
# Sourced by a script that runs under `set -e`, a failure must not look like success.
if [ "$_landfall_status" -ne 0 ]; then
    unset _landfall_status
    return 1
fi
unset _landfall_status
