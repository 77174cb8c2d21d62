"""Waits until there is a file to load; a run that finds none ends at once, skipped and cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.sensor import BaseSensorOperator, PokeReturnValue

from landfall.compat import AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context


class WaitForFiles(BaseSensorOperator):
    """Find files that the ledger does not show as done.

    Args:
        dataset: the dataset's name.
        once: look once and skip the run where nothing is there; else look again until the sensor's time-out.
    """

    template_fields = ("dataset",)
    ui_color = "#d9ead3"

    def __init__(self, *, dataset: str, once: bool = True, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset
        self.once = once

    def poke(self, context: Context) -> PokeReturnValue:
        """Do what a person decided in the form, and look once."""
        from landfall.gcp.decisions import decide_by_form
        from landfall.gcp.landing import Site, look
        from landfall.gcp.selection import selection

        site = Site.of(self.dataset)
        decide_by_form(context, site)
        found = look(site, **selection(context, site))
        self.log.info("%s", found)
        if found.needs_run:
            return PokeReturnValue(is_done=True, xcom_value=len(found.open))
        if self.once:
            raise AirflowSkipException(f"nothing to do at {'/'.join(site.source)}: {found}")
        return PokeReturnValue(is_done=False)
