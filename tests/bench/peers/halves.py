"""The engine twice at once, each on a half of the file: what two processes can do that need not ask one another."""

from __future__ import annotations

import subprocess
import sys


def main(first: str, second: str, out: str) -> None:
    """Transform both files, and wait."""
    programs = [
        subprocess.Popen([sys.executable, "-m", "tests.bench.peers.engine", half, f"{out}/{number}"])
        for number, half in enumerate((first, second))
    ]
    codes = [program.wait() for program in programs]
    if any(codes):
        sys.exit("a half failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
