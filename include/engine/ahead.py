"""Works one step ahead in a second thread: numpy and Arrow let other threads run while they work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of an iterator that runs in a thread of its own; what it raises is raised here.

    One item waits or is in the making: the next is begun when it is taken.

    Args:
        items: an iterator that nobody else uses meanwhile.
    """
    made: queue.SimpleQueue[object] = queue.SimpleQueue()
    wanted, stopped = threading.Semaphore(), threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        item: object = None
        try:
            while item is not _END and wanted.acquire() and not stopped.is_set():
                item = next(items, _END)
                made.put(item)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)
            made.put(_END)

    worker = threading.Thread(target=work, name="landfall-ahead", daemon=True)
    worker.start()
    try:
        while (item := made.get()) is not _END:
            wanted.release()
            yield item  # type: ignore[misc]
        if errors:
            raise errors[0]
    finally:
        stopped.set()
        wanted.release()
        worker.join()
