"""Cloud Storage on this machine: gcp-storage-emulator, made to honour generations, preconditions and paging.

gcp-storage-emulator 2026.7.19 takes one request after another, ignores every precondition, `generation` and page size,
writes the state of all objects anew at each change, and stores what arrived of a request that was cut off. Its
handlers, its routes and its files on disk (which the BigQuery emulator reads) are kept; the rest is mended here.
"""
