"""Tells an address by e-mail."""

from __future__ import annotations

import html

from include.spec.pipeline import Notify
from landfall.notifiers.alert import Alert

CONNECTION = "smtp_default"


def send(alert: Alert, channel: Notify) -> None:
    """Mail the alert to the address `to`, through the SMTP provider's hook; the connection names the sender.

    Raises:
        OSError: the server cannot be reached, or refuses the mail (smtplib.SMTPException).
        AirflowException: there is no such connection, or it lacks `from_email`.
    """
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=channel.connection or CONNECTION) as hook:
        hook.send_email_smtp(
            to=channel.to,
            subject=alert.subject,
            html_content=f"<pre>{html.escape(alert.text)}</pre>",
            # One id for each failure: a mail sent twice is shown once.
            custom_headers={"Message-ID": f"<{alert.alert_id}@landfall.invalid>"},
        )
