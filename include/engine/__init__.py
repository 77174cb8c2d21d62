"""Turns the bytes of landed files into good rows, quarantined records and counts that add up."""

import os
import sys

# Both are read when the libraries are first imported, so they stand before any import of the engine's modules.
if sys.platform == "linux":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")  # gives pages back; the default keeps 50 MB more
os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # numpy's linear algebra is not used, its threads spin and hold memory
