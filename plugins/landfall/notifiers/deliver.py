"""Sends one alert to every channel, whatever any of them does."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

from include.spec.pipeline import Notify
from landfall.notifiers.alert import Alert, summary_of

_log = logging.getLogger(__name__)

# Airflow kills a process 20 s after its task has ended, callbacks or not: [core] task_success_overtime.
_BUDGET_S = 15.0


def deliver(alert: Alert, channels: Sequence[Notify], *, budget: float = _BUDGET_S) -> int:
    """Tell every channel once; return how many were told. One that fails is logged, and the next is told.

    Args:
        alert: what to tell.
        channels: whom to tell, in this order.
        budget: seconds for all channels together; each gets an equal share of what is left.
    """
    targets = tuple(dict.fromkeys(channels))
    end = time.monotonic() + budget
    told = 0
    for number, channel in enumerate(targets):
        share = max(0.0, end - time.monotonic()) / (len(targets) - number)
        trouble = _tell(alert, channel, share)
        if trouble is None:
            told += 1
        else:
            _log.error("Alert %s was not delivered by %s: %s", alert.alert_id, channel.type, trouble)
    return told


def _tell(alert: Alert, channel: Notify, seconds: float) -> str | None:
    """Return why a channel was not told; None if it was."""
    # A thread of its own: one that hangs is left behind, and its error, of whatever class, is a value here.
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"notify-{channel.type}")
    try:
        error = pool.submit(_send, alert, channel).exception(timeout=seconds)
    except TimeoutError:
        return f"no answer within {seconds:.0f} s"
    finally:
        pool.shutdown(wait=False)
    return None if error is None else summary_of(error)


def _send(alert: Alert, channel: Notify) -> None:
    import_module(f"landfall.notifiers.to_{channel.type}").send(alert, channel)
