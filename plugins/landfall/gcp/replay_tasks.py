"""The tasks of the DAG `replay`; between its two ends, transform is the one of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from landfall.compat import AirflowSkipException
from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.ledger.choice import Choice


class SelectRecords(BaseOperator):
    """Choose open quarantined records as the form says; returns one item for each batch."""

    ui_color = "#cfe2f3"

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Write the plan.

        Raises:
            TerminalFailure: what the form says cannot be meant, or no chosen file can be read.
        """
        from landfall.gcp.landing import Site
        from landfall.gcp.plan_file import write_plan
        from landfall.gcp.replay import free_whole_files, plan_replay, refuse_if_all_gone

        params = context.get("params") or {}
        choice = read_choice(params)
        site = Site.of(choice.dataset)
        # Only a plain no applies it: a form field left empty does not.
        dry_run = params.get("dry_run") is not False
        if params.get("whole_files") and not dry_run:
            freed = free_whole_files(site, choice, context["run_id"])
            self.log.info("%d files that were held or dead-lettered are taken by the dataset's next run", freed)
        plan = plan_replay(site, choice, run_id=context["run_id"], dry_run=dry_run)
        if plan is None:
            raise AirflowSkipException(f"no open quarantined record of {choice.dataset} is as chosen")
        refuse_if_all_gone(plan)
        uri = write_plan(site, plan)
        return [{"plan": uri, "batch": batch.number} for batch in plan.batches]


def read_choice(params: Any) -> Choice:  # noqa: ANN401 - Airflow's ParamsDict, or a mapping
    """Read the form of a replay.

    Raises:
        TerminalFailure: a field is missing or wrong; the message names it.
    """
    import json

    from pydantic import ValidationError

    from include.ledger.choice import Choice
    from include.spec.dataset import list_folders
    from include.spec.settings import datasets_folder

    given = {name: params.get(name) for name in Choice.model_fields}
    given = {name: value for name, value in given.items() if value not in (None, "")}
    try:
        choice = Choice.model_validate_json(json.dumps(given))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise TerminalFailure(f"the replay's form cannot be used: {wrong}") from error
    known = [folder.name for folder in list_folders(datasets_folder())]
    if choice.dataset not in known:
        raise TerminalFailure(f"there is no dataset {choice.dataset!r}; there are {', '.join(sorted(known))}")
    return choice


class CommitReplay(BaseOperator):
    """Settle what was transformed: load what passes, once; or say what would be.

    Args:
        dataset: the dataset's name.
        manifests: what the transforms returned that ended well.
    """

    template_fields = ("dataset", "manifests")
    ui_color = "#f9cb9c"

    def __init__(self, *, dataset: str, manifests: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset
        self.manifests = manifests

    def execute(self, context: Context) -> dict[str, Any]:
        """Commit; returns the report's address and how many records ended how."""
        from landfall.gcp.landing import Site
        from landfall.gcp.plan_file import transformed
        from landfall.gcp.replay import settle_replay, write_report

        site = Site.of(self.dataset)
        _, plan, done = transformed(site, context, "select", self.manifests)
        report = settle_replay(site, plan, done)
        return {"report": write_report(site, report), **report["outcomes"]}


class ReportReplay(BaseOperator):
    """Show what became of the records; fails where some could not be replayed.

    Args:
        dataset: the dataset's name.
    """

    template_fields = ("dataset",)
    ui_color = "#ead1dc"

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> dict[str, Any]:
        """Log the report and return its counts.

        Raises:
            TerminalFailure: files could not be transformed, would be held or are gone; everything else is settled.
        """
        import json

        from landfall.gcp.landing import Site
        from landfall.gcp.replay import complaints

        site = Site.of(self.dataset)
        uri = context["ti"].xcom_pull(task_ids="commit")["report"]
        report: dict[str, Any] = json.loads(site.storage.read(uri))
        what = "would become" if report["dry_run"] else "became"
        for outcome, count in report["outcomes"].items():
            self.log.info("%d records %s %s", count, what, outcome)
        for rule, counts in report["rules"].items():
            self.log.info("%s: %s", rule, counts)
        for file in report["whole_files"]:
            self.log.info("%s is %s as a whole: %s", file["uri"], file["state"], file["reason"])
        for file_uri, count in report["restored"].items():
            self.log.info("%s is gone; %d records of it were read from the quarantine", file_uri, count)
        wrong = complaints(report)
        if wrong:
            raise TerminalFailure("\n".join(wrong), files=report["failed"])
        return {name: value for name, value in report.items() if name not in ("samples", "lost")} | {"report": uri}
