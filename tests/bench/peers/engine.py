"""The engine, as the function runs it: a dataset from the wire, one batch."""

from __future__ import annotations

import sys
from pathlib import Path

from include.engine.run import Input, transform
from include.spec.dataset import Dataset
from tests.bench.engine_orders import wire


def main(source: str, out: str) -> None:
    """Transform a file, or all files of a folder in batches of 1,000."""
    path = Path(source)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    dataset = Dataset.from_wire(wire("ndjson" if path.suffix == ".ndjson" else "csv"))
    for number in range(0, len(files), 1_000):
        inputs = [
            Input(file.name, f"gs://landing/{file.name}", lambda file=file: file.open("rb"), file.stat().st_size)
            for file in files[number : number + 1_000]
        ]
        transform(dataset, inputs, Path(out) / f"batch-{number // 1_000:03}", batch_id=str(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
