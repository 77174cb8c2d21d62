"""What a run does with what lands: whole Airflow runs against the embedded cloud."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONTRACT = """
kind: DataContract
apiVersion: v3.1.0
id: test
version: 1.0.0
status: active
team: {name: tests}
schema:
  - name: items
    properties:
      - {name: id, logicalType: integer, primaryKey: true}
      - {name: day, logicalType: date, required: true, partitioned: true}
      - {name: name, logicalType: string, logicalTypeOptions: {maxLength: 20}}
"""
PIPELINE = """
source: {{uri: "gs://{{landing}}/{name}/{glob}", complete: {complete}{wait}}}
format: {{type: csv}}
load: {{table: runs.{name}, mode: {mode}{load}}}
retry: {{attempts: 1}}
tolerate: {{quarantined: 60%}}
"""
ALL = ("wait_for_files", "plan", "transform", "load", "verify", "archive")
SUCCESS = {task: ["success"] for task in ALL}
SKIPPED = {task: ["skipped"] for task in ALL}


class Case:
    """One dataset of its own, its landing folder and its table."""

    def __init__(self, name: str, root: Path, run_dag: Any, landing: Any, query: Any) -> None:
        self.name, self.root, self.bucket, self.query = name, root, landing, query
        self._run = run_dag

    def land(self, name: str, content: str | bytes) -> None:
        self.bucket.blob(f"{self.name}/{name}").upload_from_string(content)

    def run(self, **conf: Any) -> Any:
        return self._run(f"ingest_{self.name}", datasets=self.root, conf=conf)

    def rows(self) -> list[tuple[int, str]]:
        return [
            (row["id"], row["name"]) for row in self.query(f"SELECT id, name FROM runs.{self.name} ORDER BY id, name")
        ]

    def files(self) -> dict[str, str]:
        """Names of files to their states, the latest version of each."""
        rows = self.query(
            "SELECT name, state, reason FROM landfall_ops.files_current WHERE dataset = @dataset"
            " QUALIFY ROW_NUMBER() OVER (PARTITION BY name ORDER BY generation DESC) = 1",
            {"dataset": self.name},
        )
        return {
            row["name"].partition("/")[2]: ": ".join(filter(None, (row["state"], _code(row["reason"])))) for row in rows
        }

    def landed(self) -> set[str]:
        return {blob.name.partition("/")[2] for blob in self.bucket.list_blobs(prefix=f"{self.name}/")}


def _code(reason: str | None) -> str | None:
    return reason.partition(":")[0] if reason else None


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, run_dag: Any, landing: Any, query: Any) -> Callable[..., Case]:
    def make(
        mode: str = "append", glob: str = "**", complete: str = "none", wait: str = "", load: str = "", more: str = ""
    ) -> Case:
        name = request.node.name.partition("[")[0][5:55].rstrip("_")
        folder = tmp_path / "datasets" / name
        folder.mkdir(parents=True)
        (folder / "contract.yaml").write_text(CONTRACT)
        filled = PIPELINE.format(
            name=name, mode=mode, load=load, glob=glob, complete=complete, wait=f", wait: {wait}" if wait else ""
        )
        (folder / "pipeline.yaml").write_text(filled + more)
        return Case(name, tmp_path / "datasets", run_dag, landing, query)

    return make


def test_nothing_landed_ends_the_run_skipped(case: Any) -> None:
    finished = case().run()
    assert finished.state == "success"
    assert finished.tasks == SKIPPED


def test_a_run_that_waits_gives_its_slot_back_and_ends_skipped_when_its_time_is_up(case: Any) -> None:
    it = case(wait="2s")
    assert it.run().tasks == SKIPPED
    it.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    assert it.run().tasks == SUCCESS


def test_temporary_names_are_left_alone(case: Any) -> None:
    it = case()
    it.land("a.csv.part", "id,day,name\n1,2026-01-01,x\n")
    it.land("_staging.csv", "id,day,name\n1,2026-01-01,x\n")
    assert it.run().tasks == SKIPPED
    assert it.landed() == {"a.csv.part", "_staging.csv"}


def test_a_file_is_loaded_once_and_a_changed_one_in_its_place(case: Any) -> None:
    it = case()
    it.land("a.csv", "id,day,name\n1,2026-01-01,x\n2,2026-01-01,y\n")
    it.land("b.csv", "id,day,name\n3,2026-01-02,z\n")
    assert it.run().tasks == SUCCESS
    assert it.rows() == [(1, "x"), (2, "y"), (3, "z")]
    assert it.landed() == set()
    assert it.run().tasks == SKIPPED
    it.land("a.csv", "id,day,name\n1,2026-01-01,x2\n")
    assert it.run().tasks == SUCCESS
    assert it.rows() == [(1, "x2"), (3, "z")]
    assert it.files() == {"a.csv": "loaded", "b.csv": "loaded"}


BAD = {
    "empty.csv": (b"", "empty_file"),
    "wrong_header.csv": (b"a,b,c\n1,2,3\n", "missing_column"),
    "missing_column.csv": (b"id,name\n1,x\n", "missing_column"),
    "extra_column.csv": (b"id,day,name,more\n1,2026-01-01,x,y\n", "unexpected_column"),
    "json.csv": (b'[{"id": 1}]\n', "wrong_format"),
    "truncated.csv.gz": (gzip.compress(b"id,day,name\n" + b"1,2026-01-01,x\n" * 9999)[:-9], "truncated_gzip"),
    "utf16.csv": ("id,day,name\n1,2026-01-01,x\n".encode("utf-16"), "wrong_encoding"),
    "mostly_bad.csv": (b"id,day,name\nx,2026-01-01,x\ny,2026-01-01,x\n1,2026-01-01,x\n", "over_tolerance"),
}


def test_bad_files_are_held_each_with_its_reason_and_the_good_one_is_loaded(
    case: Any, caplog: pytest.LogCaptureFixture
) -> None:
    it = case()
    for name, (content, _) in BAD.items():
        it.land(name, content)
    it.land("good.csv", "id,day,name\n1,2026-01-01,kept\n2,2026-02-30,no such day\n")
    it.land("header_only.csv", "id,day,name\n")
    it.land("long_line.csv", b"id,day,name\n7,2026-01-01,kept too\n8,2026-01-01," + b"x" * 100_000_000)
    finished = it.run()
    assert finished.state == "success"
    assert it.rows() == [(1, "kept"), (7, "kept too")]
    expected = {name: f"held: {code}" for name, (_, code) in BAD.items()}
    expected |= dict.fromkeys(("good.csv", "header_only.csv", "long_line.csv"), "loaded")
    assert it.files() == expected
    assert it.landed() == set(BAD), "a held file stays where it landed"
    assert f"{len(BAD)} files are held" in caplog.text, "and somebody is told"


def test_every_record_of_a_file_is_accounted_for(case: Any) -> None:
    it = case()
    it.land(
        "a.csv",
        'id,day,name\n1,2026-01-01,x\n1,2026-01-01,again\n2,2026-01-01\n3,2026-13-01,x\n4,2026-01-01,"y\n',
    )
    it.run()
    row = it.query("SELECT * FROM landfall_ops.files_current WHERE dataset = @dataset", {"dataset": it.name})[0]
    assert [row[n] for n in ("records", "loaded", "filtered", "duplicates", "quarantined")] == [5, 1, 0, 1, 3]
    found = it.query(
        "SELECT line, reasons, text FROM landfall_ops.quarantine WHERE dataset = @dataset ORDER BY line",
        {"dataset": it.name},
    )
    assert [(r["line"], r["text"]) for r in found] == [
        (4, "2,2026-01-01"),
        (5, "3,2026-13-01,x"),
        (6, '4,2026-01-01,"y'),
    ]
    assert "2026-13-01" in found[1]["reasons"]


def test_a_set_waits_for_its_marker_and_takes_the_marker_with_it(case: Any) -> None:
    it = case(mode="replace_partition", glob="*/*.csv", complete="marker")
    it.land("1/a.csv", "id,day,name\n1,2026-01-01,x\n")
    it.land("1/b.csv", "id,day,name\n2,2026-01-01,y\n")
    assert it.run().tasks == SKIPPED
    it.land("1/_SUCCESS", "")
    it.land("2/a.csv", "id,day,name\n9,2026-01-02,waits\n")
    assert it.run().tasks == SUCCESS
    assert it.rows() == [(1, "x"), (2, "y")]
    assert it.landed() == {"2/a.csv"}


def test_a_set_with_a_held_file_replaces_nothing(case: Any) -> None:
    it = case(mode="replace_partition", glob="*/*.csv", complete="marker")
    it.land("1/a.csv", "id,day,name\n1,2026-01-01,x\n")
    it.land("1/b.csv", "nonsense\n")
    it.land("1/_SUCCESS", "")
    assert it.run().state == "success"
    assert it.rows() == []
    assert it.files() == {"1/a.csv": "held: set_incomplete", "1/b.csv": "held: missing_column"}


def test_a_failed_batch_does_not_keep_the_others_out_and_fails_the_run(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.ledger.plan.MAX_BATCH_FILES", 1)
    it = case()
    it.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    it.land("gone.csv", "id,day,name\n2,2026-01-01,y\n")
    _after_planning(monkeypatch, lambda: it.bucket.blob(f"{it.name}/gone.csv").delete())
    finished = it.run()
    assert finished.state == "failed"
    assert finished.tasks["transform"] == ["failed", "success"]
    assert [finished.tasks[task] for task in ("load", "verify", "archive")] == [
        ["success"],
        ["success"],
        ["failed"],
    ]
    assert it.rows() == [(1, "x")]
    assert it.files() == {"a.csv": "loaded", "gone.csv": "seen: given_up"}


def _after_planning(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    from landfall.gcp.plan import PlanRun

    planned = PlanRun.execute

    def execute(self: Any, context: Any) -> Any:
        result = planned(self, context)
        happens()
        return result

    monkeypatch.setattr(PlanRun, "execute", execute)


def test_a_file_whose_run_failed_is_found_again(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    it = case()
    it.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    with monkeypatch.context() as away:
        away.setenv("LANDFALL_FUNCTION_URL", "http://127.0.0.1:9")
        failed = it.run()
    assert failed.state == "failed"
    assert failed.tasks["plan"] == ["failed"]
    assert it.landed() == {"a.csv"}
    assert it.run().tasks == SUCCESS
    assert it.rows() == [(1, "x")]


def test_a_run_that_could_transform_nothing_lets_go_of_its_files(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    it = case()
    it.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    with monkeypatch.context() as broken:
        broken.setattr("landfall.gcp.function._post", _refuse)
        failed = it.run()
    assert failed.state == "failed"
    assert it.files() == {"a.csv": "seen: given_up"}
    assert it.run().tasks == SUCCESS
    assert it.rows() == [(1, "x")]


def _refuse(*_: Any) -> Any:
    from landfall.errors import TerminalFailure

    raise TerminalFailure("the function answered 403: not today")


def _taken_by(it: Case, run_id: str) -> None:
    """Write to the ledger that a run has taken every landed file."""
    from include.ledger.plan import pinned
    from include.ledger.states import FileState
    from landfall.gcp.events import write_events
    from landfall.gcp.landing import Site, create_ledger

    site = Site.of(it.name)
    create_ledger(site)
    landed = site.storage.find(*site.source)
    write_events(site, run_id, FileState.PLANNED, [(pinned(item), None, None) for item in landed])


def test_a_file_is_left_to_the_run_that_took_it_until_that_run_has_ended(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDFALL_LEASE", "6h")
    it = case()
    ended = it.run()
    it.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    _taken_by(it, "manual__another")
    assert it.run().tasks == SKIPPED, "nobody knows that run: it may be alive"
    monkeypatch.setenv("LANDFALL_LEASE", "1s")
    assert it.run().tasks == SUCCESS, "its time is up"
    monkeypatch.setenv("LANDFALL_LEASE", "6h")
    it.land("b.csv", "id,day,name\n2,2026-01-01,y\n")
    _taken_by(it, ended.run_id)
    assert it.run().tasks == SUCCESS, "Airflow knows that this run has ended"
    assert it.rows() == [(1, "x"), (2, "y")]


def test_under_skip_a_new_version_is_turned_away_told_about_and_archived(
    case: Any, landing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    it = case(load=", redelivered: skip")
    it.land("a.csv", "id,day,name\n1,2026-01-01,old\n")
    assert it.run().tasks == SUCCESS
    it.land("a.csv", "id,day,name\n1,2026-01-01,new\n")
    again = it.run()
    assert again.state == "success"
    assert (again.tasks["plan"], again.tasks["load"]) == (["skipped"], ["skipped"])
    assert it.rows() == [(1, "old")]
    assert it.files() == {"a.csv": "rejected: redelivered"}
    assert it.landed() == set(), "it does not lie there for ever"
    archived = landing.client.bucket("landfall-archive").list_blobs(prefix=f"{it.name}/")
    assert len([blob.name for blob in archived]) == 2, "each version under its generation"
    assert "files turned away" in caplog.text
    assert it.run().tasks == SKIPPED


def test_versions_of_a_file_stay_side_by_side(case: Any) -> None:
    it = case(load=", redelivered: version")
    for content in ("old", "new"):
        it.land("a.csv", f"id,day,name\n1,2026-01-01,{content}\n")
        assert it.run().tasks == SUCCESS
    assert it.rows() == [(1, "new"), (1, "old")]


def test_the_form_loads_one_file_again_in_place_of_its_rows(case: Any) -> None:
    it = case()
    it.land("a.csv", "id,day,name\n1,2026-01-01,x\n")
    it.run()
    it.land("b.csv", "id,day,name\n2,2026-01-01,y\n")
    assert it.run(files=[f"{it.name}/elsewhere.csv"]).tasks == SKIPPED
    it.land("held.csv", "nonsense\n")
    it.run()
    assert it.run().tasks == SKIPPED
    it.run(files=[f"gs://landfall-landing/{it.name}/held.csv"], force=True)
    assert it.files() == {"a.csv": "loaded", "b.csv": "loaded", "held.csv": "held: missing_column"}
    assert it.rows() == [(1, "x"), (2, "y")]


@pytest.mark.long
def test_a_large_file_goes_its_own_way_beside_a_small_one_and_its_log_tells_how_far_it_is(
    case: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The real Beam pipeline, in processes of the task."""
    caplog.set_level("INFO", "landfall.gcp.beam_process")
    it = case(more="transform: {dataflow_above: 100KB, shard: 100KB}\n")
    rows = (f'{n},2026-01-01,"x\n{n}"' if n % 100 else f"{n},2026-13-01,x" for n in range(10_000))
    it.land("large.csv", "id,day,name\n" + "\n".join(rows) + "\n1,2026-01-01,again\n")
    it.land("small.csv", "id,day,name\n-1,2026-01-01,x\n-2,2026-13-01,x\n")
    finished = it.run()
    assert finished.tasks == SUCCESS | {"transform": ["success", "success"]}
    assert it.rows() == [(-1, "x"), (1, "again"), *((n, f"x\n{n}") for n in range(2, 10_000) if n % 100)]
    assert it.files() == {"large.csv": "loaded", "small.csv": "loaded"}
    assert it.landed() == set()
    (row,) = it.query(
        "SELECT * FROM landfall_ops.files_current WHERE dataset = @dataset AND name LIKE '%large.csv'",
        {"dataset": it.name},
    )
    assert [row[n] for n in ("records", "loaded", "filtered", "duplicates", "quarantined")] == [
        10_001,
        9_900,
        0,
        1,
        100,
    ]
    told = [record.getMessage() for record in caplog.records if record.name == "landfall.gcp.beam_process"]
    assert told[0] == "landfall: cut into 3 shards"
    assert sum(line.startswith("progress: shard ") for line in told) == 3
    assert told[-1] == "progress: all shards: 10,001 records, 9,900 loaded, 0 filtered, 1 duplicates, 100 quarantined"
