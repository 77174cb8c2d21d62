"""What the exit codes of `landfall` mean; the same for every command."""

from __future__ import annotations

OK = 0
PROBLEMS = 1
USAGE = 2
NOTHING = 3
UNREACHABLE = 4
FAILED = 5
BUG = 70

MEANING = {
    OK: "all is well",
    PROBLEMS: "the data or a dataset folder have problems; they are listed",
    USAGE: "the command was used wrongly",
    NOTHING: "nothing to do, or nothing found where you asked",
    UNREACHABLE: "a service could not be reached",
    FAILED: "a run failed",
    BUG: "landfall itself failed; the report's path is shown",
}
