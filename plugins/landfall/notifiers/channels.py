"""Which channels are told about a dataset's failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from include.spec.contract import SupportItem
from include.spec.pipeline import Notify

# A triple of type, target and connection: what a Notify is when it travels as plain data.
PlainChannel = tuple[str, str, str]

_LOG = Notify(type="log")
# ODCS knows four scopes. Machines write to these two; the others are for people and for news.
_ALERTED = (None, "issues", "notifications")


def channels(support: Iterable[SupportItem], notify: Iterable[Notify]) -> tuple[Notify, ...]:
    """Return the channels to tell: the log first, then the contract's, then the pipeline's, each once.

    The log is always among them, because it is the one that cannot fail. A channel named both with and
    without a connection is one channel, reached through the connection.

    Args:
        support: the contract's support items; those that bring no alerts are left out (see `ignored`).
        notify: the pipeline's own channels.
    """
    found = [_LOG, *(made for made in map(_channel, support) if isinstance(made, Notify)), *notify]
    connected = {(channel.type, channel.to) for channel in found if channel.connection}
    kept = (c for c in found if c.connection or (c.type, c.to) not in connected)
    return tuple(dict.fromkeys(kept))


def ignored(support: Iterable[SupportItem]) -> tuple[str, ...]:
    """Return one sentence for each support item that brings no alerts: which it is, and why."""
    return tuple(
        f"support channel {item.channel!r}: {made}" for item in support if isinstance(made := _channel(item), str)
    )


def to_plain(told: Iterable[Notify]) -> tuple[PlainChannel, ...]:
    """Return channels as triples of text, which survive Airflow's serialisation."""
    return tuple((channel.type, channel.to, channel.connection) for channel in told)


def from_plain(triples: Iterable[Sequence[str]]) -> tuple[Notify, ...]:
    """Make channels of what `to_plain` returned.

    Raises:
        pydantic.ValidationError: a triple is no channel.
    """
    return tuple(
        Notify.model_validate({"type": kind, "to": to, "connection": connection}) for kind, to, connection in triples
    )


def _channel(item: SupportItem) -> Notify | str:
    """Return an item's channel, or why it has none."""
    tool = (item.tool or "").strip().lower()
    if item.scope not in _ALERTED:
        return f"its scope {item.scope!r} takes no alerts (issues and notifications do)"
    if tool == "log":
        return _LOG
    if tool == "pagerduty":
        return Notify(type="pagerduty")
    if tool == "slack":
        return Notify(type="slack", to=item.channel) if item.channel else "it names no Slack channel"
    if tool == "email":
        address = _address(item)
        return Notify(type="email", to=address) if address else "it holds no address (url: mailto:…)"
    if tool == "webhook":
        return _webhook(item)
    return f"no alerts go to the tool {item.tool!r} (slack, email, pagerduty, webhook and log are known)"


def _address(item: SupportItem) -> str:
    for text in (item.url or "", item.channel):
        address = text.removeprefix("mailto:").partition("?")[0].strip()
        if "@" in address and "://" not in address:
            return address
    return ""


def _webhook(item: SupportItem) -> Notify | str:
    try:
        return Notify(type="webhook", to=item.url or item.channel)
    except ValidationError:
        return "it holds no https:// address (name a connection under `notify` in pipeline.yaml instead)"
