"""Works one step ahead in a second thread: numpy and Arrow let other threads run while they work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def ahead(items: Iterator[Item], depth: int = 1) -> Iterator[Item]:
    """Yield the items of an iterator that runs in a thread of its own; what it raises is raised here.

    Args:
        items: an iterator that nobody else uses meanwhile.
        depth: items that may wait to be taken, beside the one in the making.
    """
    waiting: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for item in items:
                if stopped.is_set() or not _put(waiting, item, stopped):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)
        _put(waiting, _END, stopped)

    worker = threading.Thread(target=work, name="landfall-ahead", daemon=True)
    worker.start()
    try:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if errors:
            raise errors[0]
    finally:
        stopped.set()
        worker.join()


def _put(waiting: queue.Queue[object], item: object, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
