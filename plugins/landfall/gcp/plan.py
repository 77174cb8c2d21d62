"""Pins the files of a run, packs them into batches and writes the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from landfall.compat import AirflowSkipException
from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.completeness import Held
    from landfall.gcp.landing import Site


class PlanRun(BaseOperator):
    """Decide what this run loads and write it down; returns one item for each batch.

    Args:
        dataset: the dataset's name.
    """

    template_fields = ("dataset",)
    ui_color = "#cfe2f3"

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Write plan.json and the ledger's `planned` events."""
        from include.ledger.plan import make_plan, pinned
        from include.ledger.states import FileState
        from landfall.gcp.archive import move_to_archive
        from landfall.gcp.dead_letters import bury
        from landfall.gcp.events import write_events
        from landfall.gcp.function import ask_function
        from landfall.gcp.landing import Site, look
        from landfall.gcp.plan_file import write_plan
        from landfall.gcp.redelivered import turn_away
        from landfall.gcp.references import pin_references
        from landfall.gcp.selection import selection

        site = Site.of(self.dataset)
        refuse_broken(site)
        chosen = selection(context, site)
        found = look(site, **chosen)
        if found.held:
            self._hold(context, site, found.held)
        if found.taken.turned_away:
            turn_away(context, site, found.taken.turned_away)
        if found.taken.dead:
            bury(context, site, [(pinned(item),) for item in found.taken.dead])
        if not found.open:
            # Else `archive` does it. What was rejected has no `archive` of its own, and a run may be killed before its.
            move_to_archive(site, map(pinned, found.taken.left_behind))
            raise AirflowSkipException(f"nothing is left to load: {found}")
        deployed = ask_function(site.settings.function_url, site.breakers.function)
        plan = make_plan(
            site.dataset,
            found.open,
            run_id=context["run_id"],
            references=pin_references(site),
            force=chosen["force"],
            left_behind=found.taken.left_behind,
            released=found.taken.released,
            alone=found.taken.failed,
            engine=deployed.engine,
            keys=deployed.keys,
            vouched=found.vouched,
        )
        uri = write_plan(site, plan)
        # A file that is loaded keeps that state while it is loaded again. A task that is tried again writes the events
        # once more: they say the same, and a state is the latest event.
        taken = ((file, batch.batch_id, None) for batch in plan.batches for file in batch.files)
        write_events(site, plan.run_id, FileState.PLANNED, taken)
        for batch in plan.batches:
            size = f"{sum(file.size for file in batch.files):,}"
            self.log.info(
                "batch %d: %d files, %s bytes, by %s: %s",
                batch.number, len(batch.files), size, batch.runner, batch.reason,
            )  # fmt: skip
        return [{"plan": uri, "batch": batch.number} for batch in plan.batches]

    def _hold(self, context: Context, site: Site, held: Sequence[Held]) -> None:
        """Hold files before anything of them is read: first told, then noted, so that nobody is left untold."""
        from include.ledger.completeness import Vouched
        from include.ledger.plan import pinned
        from include.ledger.states import FileState
        from landfall.gcp.events import write_events
        from landfall.notifiers.held import tell_held

        files = [(pinned(item.file, Vouched(item.voucher)), item.reason) for item in held]
        tell_held(context, site.dataset, {file.uri: reason for file, reason in files})
        write_events(site, context["run_id"], FileState.HELD, ((file, None, reason) for file, reason in files))


def refuse_broken(site: Site) -> None:
    """Check a dataset with its rules, as parsing does not.

    Raises:
        TerminalFailure: it cannot be used; the message has every problem.
    """
    from include.spec.checks import check_dataset

    problems = [
        f"{file}: {'.'.join(map(str, path))}: {message}. {fix}"
        for file, path, message, fix in check_dataset(site.dataset, rules=True)
    ]
    if problems:
        raise TerminalFailure("the dataset cannot be used:\n" + "\n".join(problems))
