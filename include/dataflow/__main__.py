"""Starts a large file's job; see `include.dataflow.main`."""

from include.dataflow.main import main

if __name__ == "__main__":
    main()
