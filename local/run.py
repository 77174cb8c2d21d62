"""`make run`: sample files through real Airflow into BigQuery on the embedded cloud, and the accounting.

    python -m local.run [--state DIR]      # LANDFALL_SAMPLES names another folder of samples

Ends with 0 when all is well, and with a code of `cli.exit_codes` otherwise. A run with nothing new is well.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli import exit_codes
from cli.dagtest import reasons, run_dags
from cli.errors import CliError
from include.ledger.plan import Plan, plan_name
from include.spec.dataset import Dataset, list_folders, load_dataset
from include.spec.errors import SpecError
from include.spec.settings import Settings, datasets_folder
from local import paths
from local.cloud import Cloud, CloudError
from local.interpreters import SetupError
from local.run_report import Outcome, of_several_kinds, show_next, show_outcome, write_report
from local.run_view import View
from local.sample_drop import SampleSet
from local.samples import DATASETS, write_large

if TYPE_CHECKING:
    from google.cloud.storage import Client as Storage

    from cli.ledger import LedgerFile, LedgerReader

ROWS_SHOWN = 5
QUARANTINED_SHOWN = 3
_QUARANTINED_READ = 100
_LEDGER_FILES = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.run", description="The main job, on the embedded cloud.")
    parser.add_argument("--state", type=Path, default=paths.DEFAULT_STATE, help="folder of the embedded cloud")
    options = parser.parse_args(arguments)
    report = (
        paths.BUILD / "run-report.json" if options.state == paths.DEFAULT_STATE else options.state / "run-report.json"
    )
    # As Ctrl-C: what was started is stopped, whoever ends us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(Cloud(options.state), report)
    except (CloudError, SetupError) as error:
        print(f"landfall: {error}", file=sys.stderr)
        return exit_codes.UNREACHABLE
    except CliError as error:
        print(f"landfall: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("landfall: interrupted; what it started is stopped", file=sys.stderr)
        return 130


def run(cloud: Cloud, report: Path) -> int:
    """Do the main job on an embedded cloud; see the module.

    Raises:
        CloudError, SetupError, CliError: something that the job needs cannot be had.
    """
    began = time.monotonic()
    datasets, broken = read_datasets()
    with View() as view, _started(cloud, view):
        job = Job(view, datasets)
        job.drop()
        ended = job.run(Path(os.environ["AIRFLOW_HOME"]) / "landfall" / "run.log")
        view.close()
        outcomes = job.outcomes(ended)
        for outcome in outcomes:
            show_outcome(outcome)
    code = _verdict(outcomes, broken, job.log)
    write_report(report, outcomes, view.seconds, total=time.monotonic() - began, well=code == exit_codes.OK)
    if code == exit_codes.OK:
        show_next(any(outcome.files for outcome in outcomes))
    print(f"\n{time.monotonic() - began:.0f} s in all; the same as JSON: {report}")
    return code


def read_datasets() -> tuple[list[Dataset], list[SpecError]]:
    """Return the sound dataset folders, and what is wrong with the others."""
    sound, broken = [], []
    for folder in list_folders(datasets_folder()):
        try:
            sound.append(load_dataset(folder))
        except SpecError as error:
            broken.append(error)
    return sound, broken


@contextmanager
def _started(cloud: Cloud, view: View) -> Iterator[None]:
    """Have the embedded cloud running and in our environment; stop it at the end if it was stopped before."""
    environment = dict(os.environ)
    was_stopped = set(cloud.status().values()) == {"stopped"}
    view.begin("cloud")
    view.say("cloud", "starting Cloud Storage, BigQuery and our Cloud Function")
    try:
        names = cloud.up()
        what = f"started {', '.join(names)}" if names else "is running already, and is left so"
        view.say("cloud", f"{what} ({view.end('cloud'):.1f} s)")
        os.environ.update(cloud.environ())
        _migrate(cloud, view)
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        if was_stopped:
            cloud.down()


def _migrate(cloud: Cloud, view: View) -> None:
    from local.start import migrate

    view.begin("migrate")
    if migrate(cloud.environ()):
        view.say("airflow", f"made its database ({view.end('migrate'):.1f} s)")


class Job:
    """What is done on a running embedded cloud.

    Args:
        view: told what happens.
        datasets: every sound one; those without samples are left out.
    """

    def __init__(self, view: View, datasets: Sequence[Dataset]) -> None:
        from cli.clients import bigquery_client, storage_client
        from cli.ledger import LedgerReader

        self._view = view
        self._settings = Settings.from_environment()
        self._storage: Storage = storage_client(self._settings)
        self._reader: LedgerReader = LedgerReader(bigquery_client(self._settings), self._settings)
        roots = _sample_roots()
        sets = [SampleSet.of(dataset, roots, self._settings.landing) for dataset in datasets]
        self._sets = [samples for samples in sets if samples.samples]
        if not self._sets:
            hint = "`python -m local.samples` makes some"
            raise CliError(f"{roots[0]}: holds no sample file that a dataset would find; {hint}", exit_codes.NOTHING)
        self._before = self._committed()
        self.log = Path()

    def drop(self) -> None:
        """Put the samples that are new into the landing bucket."""
        self._view.begin("drop")
        for samples in self._sets:
            new = samples.new(samples.known(self._reader, self._storage))
            size = sum(dropped.size for dropped in samples.drop(new, self._storage))
            count = f"dropped {len(new)} of {len(samples.samples)} sample files ({size / 1000:,.0f} kB)"
            self._view.say(samples.dataset.name, count if new else "no sample file is new")
        self._view.end("drop")

    def run(self, log: Path) -> dict[str, bool]:
        """Run the datasets' DAGs; returns for each dataset whether its run ended well.

        Args:
            log: gets all that Airflow says.
        """
        self.log = log
        names = [samples.dataset.name for samples in self._sets]
        self._view.begin("airflow")
        self._view.say("airflow", f"starting; runs {', '.join(f'ingest_{name}' for name in names)}")
        ended = run_dags([f"ingest_{name}" for name in names], log, self._view.follow)
        self._view.end("airflow")
        return {name: ended[f"ingest_{name}"] for name in names}

    def outcomes(self, ended: dict[str, bool]) -> list[Outcome]:
        """Read back what the runs did."""
        self._view.begin("read back")
        after = self._committed()
        made = [self._outcome(samples.dataset, after, ended[samples.dataset.name]) for samples in self._sets]
        self._view.end("read back")
        return made

    def _outcome(self, dataset: Dataset, after: dict[tuple[str, str], LedgerFile], well: bool) -> Outcome:
        outcome = Outcome(dataset.name, dataset.pipeline.load.table, well)
        new = [file for key, file in after.items() if key not in self._before and file.dataset == dataset.name]
        outcome.files = sorted(new, key=lambda file: file.name)
        if outcome.files:
            outcome.large = self._large(dataset, outcome.files)
            outcome.columns, outcome.rows = self._reader.rows(outcome.table, ROWS_SHOWN)
            run_ids = {file.run_id for file in outcome.files}
            found = self._reader.quarantined(dataset.name, _QUARANTINED_READ)
            mine = [record for record in found if record.run_id in run_ids]
            outcome.quarantined = of_several_kinds(mine, QUARANTINED_SHOWN)
        return outcome

    def _large(self, dataset: Dataset, files: Sequence[LedgerFile]) -> dict[str, str]:
        """Return the names of files that were not the function's to transform, and why, as their run's plan says."""
        from cli.clients import answering

        found: dict[str, str] = {}
        for run_id in {file.run_id for file in files}:
            with answering("Cloud Storage"):
                blob = self._storage.bucket(self._settings.work).blob(f"{dataset.name}/{plan_name(run_id)}")
                plan = Plan.model_validate_json(blob.download_as_bytes())
            large = [batch for batch in plan.batches if batch.runner == "dataflow"]
            found |= {file.name: batch.reason for batch in large for file in batch.files}
        return found

    def _committed(self) -> dict[tuple[str, str], LedgerFile]:
        """Return what the ledger shows as loaded or held, by file version and run."""
        if not self._reader.exists():
            return {}
        files = self._reader.files(limit=_LEDGER_FILES)
        return {(file.file_id, file.run_id): file for file in files if file.state in ("loaded", "held")}


def _sample_roots() -> list[Path]:
    """Return the folders that hold samples: the user's own, or those that are shipped and one large file."""
    named = os.environ.get("LANDFALL_SAMPLES")
    if named:
        return [Path(named)]
    large = paths.BUILD / "large-samples"
    write_large(large / "orders")
    return [DATASETS, large]


def _verdict(outcomes: Sequence[Outcome], broken: Sequence[SpecError], log: Path) -> int:
    """Print what is wrong, if anything, and return the exit code."""
    failed = [outcome.dataset for outcome in outcomes if not outcome.well]
    lost = [name for outcome in outcomes for name in outcome.unbalanced()]
    held = [file.name for outcome in outcomes for file in outcome.files if file.state == "held"]
    if failed:
        why = "".join(f"\n  {line}" for line in reasons(log))
        print(f"\nlandfall: the run of {', '.join(failed)} failed; Airflow's log is {log}{why}", file=sys.stderr)
    if lost:
        print(f"\nlandfall: records are not accounted for in {', '.join(lost)}", file=sys.stderr)
    for error in broken:
        print(f"\nlandfall: a dataset folder is wrong, its samples were left alone:\n{error}", file=sys.stderr)
    if failed or lost:
        return exit_codes.FAILED
    if held or broken:
        return exit_codes.PROBLEMS
    if not any(outcome.files for outcome in outcomes):
        print("\nNothing new: every sample file is loaded in its present version.")
    return exit_codes.OK


if __name__ == "__main__":
    sys.exit(main())
