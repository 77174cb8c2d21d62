"""Reconciles the warehouse with what was counted, and asks the contract's quality checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from landfall.errors import TerminalFailure

if TYPE_CHECKING:
    from airflow.sdk import Context

    from landfall.gcp.landing import Site


class VerifyLoad(BaseOperator):
    """Count in the warehouse what the ledger says was loaded, and run the contract's checks over the table.

    Args:
        dataset: the dataset's name.
    """

    template_fields = ("dataset",)
    ui_color = "#d9d2e9"

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask; returns each check's name and answer.

        Raises:
            TerminalFailure: a count differs or a check with severity error does not hold.
        """
        from landfall.gcp.landing import Site

        site = Site.of(self.dataset)
        wrong = self._reconcile(site, context["run_id"])
        answers, failed = self._ask(site)
        if wrong or failed:
            raise TerminalFailure("\n".join((*wrong, *failed)))
        return answers

    def _reconcile(self, site: Site, run_id: str) -> list[str]:
        from include.ledger.verify import agrees, reconciliation
        from landfall.gcp.landing import ask_ledger

        mode = site.dataset.pipeline.load.mode
        parameters = {"dataset": self.dataset, "run_id": run_id}
        wrong = []
        for row in ask_ledger(site, reconciliation(site.dataset, site.ledger), parameters):
            present, loaded = row["present"], row["loaded"]
            self.log.info("%s: %d records loaded, %d of them in the table", row["name"], loaded, present)
            if not agrees(mode, loaded=loaded, present=present, later=row["later"]):
                message = f"{row['name']}: the ledger says {loaded} records were loaded, the table holds {present}"
                wrong.append(f"{message}. Look for another writer of {site.dataset.pipeline.load.table}.")
        return wrong

    def _ask(self, site: Site) -> tuple[dict[str, Any], list[str]]:
        from include.ledger.verify import questions

        answers: dict[str, Any] = {}
        failed = []
        for question in questions(site.dataset, site.ledger):
            rows = site.warehouse.query(question.sql)
            answer = float(rows[0]["answer"]) if rows and rows[0]["answer"] is not None else 0.0
            answers[question.name] = answer
            if question.holds(answer):
                self.log.info("quality check %s: %s holds (%s)", question.name, answer, question.expectation)
                continue
            text = f"quality check {question.name}: {answer}, but {question.expectation}"
            if question.severity == "error":
                failed.append(f"{text}. The rows are loaded; mend the source or the contract.")
            else:
                self.log.warning(text)
        return answers, failed
