"""The failure callback of every task; imported at parse, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk.bases.notifier import BaseNotifier

from include.spec.pipeline import Notify


class NotifyFailure(BaseNotifier):
    """Tells a dataset's channels of a task that has failed for good. For a task's `on_failure_callback`.

    Args:
        dataset: the dataset's name.
        channels: whom to tell, as `landfall.notifiers.channels.channels` returns them.
    """

    def __init__(self, *, dataset: str, channels: Sequence[Notify]) -> None:
        super().__init__()
        self.dataset = dataset
        self.channels = tuple(channels)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:  # noqa: ANN401
        """Render nothing: there is no template, and 3.1.7 fails to look for one on a DAG-level callback."""

    def notify(self, context: Any) -> None:  # noqa: ANN401 - Airflow's Context is a TypedDict of its own
        """Send one alert to each channel; a try that will be repeated is no failure."""
        from landfall.notifiers.alert import alert_from_context
        from landfall.notifiers.deliver import deliver

        if getattr(context.get("ti"), "state", None) == "up_for_retry":
            return
        deliver(alert_from_context(context, self.dataset), self.channels)
