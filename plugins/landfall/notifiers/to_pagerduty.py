"""Tells whoever is on call, through PagerDuty's Events API."""

from __future__ import annotations

from include.spec.pipeline import Notify
from landfall.notifiers.alert import Alert

CONNECTION = "pagerduty_events_default"


def send(alert: Alert, channel: Notify) -> None:
    """Open an incident, through the PagerDuty provider's hook; a repeat joins the one that is open.

    Raises:
        pagerduty.Error: PagerDuty cannot be reached, or refuses the event.
        AirflowException: the connection holds no integration key.
    """
    from airflow.providers.pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

    hook = PagerdutyEventsHook(pagerduty_events_conn_id=channel.connection or CONNECTION)
    hook.send_event(
        summary=alert.subject,
        severity="error" if alert.kind == "failure" else "warning",
        source=alert.dag_id or "landfall",
        dedup_key=alert.alert_id,
        custom_details=alert.to_json(),
        group=alert.dataset,
        component=alert.task_id or None,
        class_type=alert.kind,
        links=[{"href": alert.log_url, "text": "Airflow"}] if alert.log_url else None,
    )
