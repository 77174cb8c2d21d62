"""Tells the task log."""

from __future__ import annotations

import logging

from include.spec.pipeline import Notify
from landfall.notifiers.alert import Alert

_log = logging.getLogger(__name__)


def send(alert: Alert, channel: Notify) -> None:  # noqa: ARG001 - every channel is called alike
    """Write the alert to the log of the task that failed."""
    _log.error("%s\n%s", alert.subject, alert.text)
