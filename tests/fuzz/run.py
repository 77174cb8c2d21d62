"""`make fuzz SECONDS=60`: fuzzes the framers and parsers with atheris, each target for its share of the time.

A find is kept under build/fuzz/<target>; put it into tests/fuzz/finds/<target> once it is understood, and it is a test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FINDS = Path(__file__).resolve().with_name("finds")
BUILD = ROOT / "build" / "fuzz"
NAMES = ("frames_csv", "parses_csv", "frames_json", "reads_json", "sniffs")
_WORDS = (b'""', b",", b"\r\n", b"\\", b"#", b"\0", b"\xff\xfe", b"{}", b"[]", b":", b"\\u0000", b"null", b"1e5")


def fuzz(target: str, seconds: int) -> None:
    """Fuzz one target in this process; ends it."""
    import atheris

    with atheris.instrument_imports(include=["include.engine", "json"]):
        from tests.fuzz.targets import TARGETS
    corpus, found = BUILD / "corpus" / target, BUILD / target
    for folder in (corpus, found, FINDS / target):
        folder.mkdir(parents=True, exist_ok=True)
    words = BUILD / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in _WORDS)
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    options = [f"-max_total_time={seconds}", "-max_len=400", "-timeout=20", "-rss_limit_mb=2048", "-verbosity=0"]
    options += [f"-dict={words}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus), str(FINDS / target)], TARGETS[target])
    atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all targets, one after another; returns 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--target", choices=NAMES, help="this one alone, in this process")
    options = parser.parse_args(arguments)
    if options.target:
        fuzz(options.target, options.seconds)
    failed = []
    for name in NAMES:
        share = max(options.seconds // len(NAMES), 1)
        command = [sys.executable, "-m", "tests.fuzz.run", "--target", name, "--seconds", str(share)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"fuzz: {name}: {_result(done.stderr)}", flush=True)
        if done.returncode:
            failed.append(name)
            print(f"{done.stdout}{done.stderr}", file=sys.stderr)
    if failed:
        print(f"fuzz: found something in {', '.join(failed)}; the bytes are under build/fuzz", file=sys.stderr)
    return 1 if failed else 0


def _result(output: str) -> str:
    counts = [line.split()[-1] for line in output.splitlines() if "number_of_executed_units" in line]
    return f"{int(counts[0]):,} inputs" if counts else "failed"


if __name__ == "__main__":
    sys.exit(main())
