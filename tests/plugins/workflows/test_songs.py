"""The day of a run: which one, whose, by which engine; what its job is given, and what is put down about it."""

import hashlib
import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import BadDataError, DamagedObjectError
from include.core.lease import LeaseHeldError
from include.core.storage import read_bytes, read_json, walk_objects, write_json, write_whole
from include.songs import downloads, layout
from include.songs.engines import duckdb_job
from include.songs.layout import DayError
from include.songs.remote import StoredFile
from include.songs.rules import SupersededError, TooFewRowsError
from include.songs.schemas import LISTENERS, PART, SPINS, SUCCESS
from quartet.workflows.songs import SongsHook
from tests.include.songs import example
from tests.include.songs.conftest import outcome, table, write

DAY = date(2019, 2, 8)
NOW = datetime(2019, 2, 9, 6, tzinfo=UTC)


def run(name: str = "a", begin: datetime | None = None, **params: Any) -> dict[str, Any]:
    """Give the context of a run."""
    return {
        "params": {"day": "2019-02-08"} | params,
        "dag_run": SimpleNamespace(run_id=name, data_interval_start=begin),
    }


@pytest.fixture
def hook(home) -> SongsHook:
    return SongsHook()


@pytest.fixture
def fetched(hook, tmp_path) -> SongsHook:
    """Give the hook when both sources of the worked example are fetched."""
    spins = write(table(SPINS, example.PLAYS), tmp_path / "remote" / "spins")
    listeners = write(table(LISTENERS, example.LISTENERS), tmp_path / "remote" / "listeners")
    downloads.download_spins(hook.root, DAY, StoredFile(spins), NOW)
    downloads.download_listeners(hook.root, DAY, StoredFile(listeners), NOW)
    return hook


def outputs(hook: SongsHook) -> Any:
    return layout.dataset_folder(hook.root, DAY), layout.counts_folder(hook.root, DAY)


class TestDay:
    def test_it_is_that_of_the_param(self, hook):
        assert hook.day(run(begin=datetime(2020, 1, 1, tzinfo=UTC))) == DAY

    @pytest.mark.parametrize(("hour", "day"), [(5, DAY), (4, date(2019, 2, 7))])  # midnight in New York is at 5
    def test_else_the_one_that_its_interval_begins_with_in_the_reporting_zone(self, hook, hour, day):
        assert hook.day(run(begin=datetime(2019, 2, 8, hour, tzinfo=UTC), day=None)) == day

    def test_a_run_with_neither_says_so(self, hook):
        with pytest.raises(BadDataError, match=r'no interval: give it the param day, such as \{"day": "2019-02-08"\}'):
            hook.day(run(day=None))

    def test_a_param_that_is_no_day(self, hook):
        with pytest.raises(DayError, match="found '2019-2-8'"):
            hook.day(run(day="2019-2-8"))


class TestTakingADay:
    def test_a_free_day_is_the_runs(self, hook):
        assert hook.take_day(run("a"))
        assert hook.take_day(run("a"))

    def test_the_day_of_another_run_is_not_until_that_gives_it_back(self, hook):
        hook.take_day(run("a"))
        assert not hook.take_day(run("b"))
        hook.lease(run("a")).release()
        assert hook.take_day(run("b"))

    def test_a_day_that_another_run_has_completed_is_skipped_and_given_back(self, hook):
        for folder in outputs(hook):
            write_whole(folder / SUCCESS, b"")
        with pytest.raises(AirflowSkipException, match="another run has completed the day"):
            hook.take_day(run("b"))
        hook.lease(run("c")).acquire()


class TestEngine:
    @pytest.mark.parametrize(("size", "engine"), [(2_000_000, "duckdb"), (2_000_001, "spark")])
    def test_it_follows_from_the_size_of_the_day(self, hook, monkeypatch, size, engine):
        monkeypatch.setenv("SONGS_AUTO_MEGABYTES", "2")
        write_whole(layout.spins_file(hook.root, DAY), bytes(size))
        assert hook.engine(run()) == engine

    def test_the_settings_may_name_it_and_the_param_wins(self, hook, monkeypatch):
        monkeypatch.setenv("SONGS_ENGINE", "spark")
        assert hook.engine(run()) == "spark"
        assert hook.engine(run(engine="duckdb")) == "duckdb"


class TestInputs:
    def test_a_job_has_a_copy_of_the_listeners_and_the_lease(self, fetched):
        with fetched.inputs(run()) as inputs:
            original = layout.listeners_file(fetched.root)
            assert read_bytes(inputs.listeners) == read_bytes(original)
            write_whole(original, b"newer")
            assert read_bytes(inputs.listeners) != b"newer"
            with pytest.raises(LeaseHeldError):
                fetched.lease(run("b")).acquire()

    def test_what_was_known_of_the_outputs_goes(self, fetched):
        write_json(layout.report_file(fetched.root, DAY), {})
        with fetched.inputs(run()) as inputs:
            assert read_json(layout.report_file(fetched.root, DAY)) is None
            write_json(inputs.metrics, {"rows": 1})
        with fetched.inputs(run()) as inputs:
            assert read_json(inputs.metrics) is None

    def test_the_next_job_takes_the_listeners_of_the_one_before(self, fetched):
        with fetched.inputs(run()) as first, fetched.inputs(run()) as second:
            folder = layout.incoming(fetched.root) / "job-2019-02-08"
            assert list(walk_objects(folder)) == [second.listeners.name]
            assert first.listeners.name != second.listeners.name


class TestDuckDB:
    def test_a_day_is_made_checked_and_put_down_and_a_rerun_gives_the_same(self, fetched, tmp_path):
        known = []
        for name in ("a", "b"):
            fetched.run_duck(run(name, minrows=6))
            report = fetched.check(run(name))
            assert report == read_json(layout.report_file(fetched.root, DAY))
            assert outcome(outputs(fetched), {}).lines == (example.DATASET, example.COUNTS)
            known.append(read_bytes(outputs(fetched)[1] / PART))  # the order of the dataset's rows is not defined
            assert report.pop("run_id") == name
            assert datetime.fromisoformat(report.pop("finished_at")).tzinfo
            assert {key: report["metrics"][key] for key in example.FIGURES} == example.FIGURES
            figures = {key: report[key] for key in ("day", "engine", "rows", "groups", "minrows")}
            assert figures == {"day": "2019-02-08", "engine": "duckdb", "rows": 6, "groups": 4, "minrows": 6}
            for source in ("spins", "listeners"):
                data = (tmp_path / "remote" / source).read_bytes()
                assert report[source].pop("source").endswith(f"remote/{source}")
                sha256 = hashlib.sha256(data).hexdigest()
                assert report[source] == {"sha256": sha256, "size": len(data), "fetched_at": NOW.isoformat()}
        assert known[0] == known[1]

    def test_too_few_rows_leave_nothing(self, fetched):
        write_whole(outputs(fetched)[0] / "part-before.csv.gz", b"")
        with pytest.raises(TooFewRowsError, match="number of rows 6 < 100"):
            fetched.run_duck(run())
        assert not any(folder.exists() for folder in outputs(fetched))

    def test_a_job_whose_listeners_are_taken_away_completes_nothing(self, fetched, monkeypatch):
        folder = layout.incoming(fetched.root) / "job-2019-02-08"

        def begin_another(*_: int) -> None:
            for name in walk_objects(folder):
                (folder / name).unlink()

        monkeypatch.setattr(duckdb_job, "validate", begin_another)
        with pytest.raises(SupersededError, match="another job of the day has begun"):
            fetched.run_duck(run())
        assert not any((each / SUCCESS).exists() for each in outputs(fetched))
        assert not walk_objects(folder)

    def test_outputs_that_do_not_fit_together_are_no_success(self, fetched):
        fetched.run_duck(run(minrows=0))
        part = outputs(fetched)[0] / PART
        part.write_bytes(part.read_bytes()[:-10])
        with pytest.raises(DamagedObjectError):
            fetched.check(run())
        assert read_json(layout.report_file(fetched.root, DAY)) is None

    def test_the_day_is_given_back_after_the_check(self, fetched):
        fetched.run_duck(run("a", minrows=0))
        with pytest.raises(LeaseHeldError):
            fetched.lease(run("b")).acquire()
        fetched.check(run("a"))
        fetched.lease(run("b")).acquire()

    def test_what_is_put_down_is_json(self, fetched):
        fetched.run_duck(run(minrows=0))
        assert json.loads(json.dumps(report := fetched.check(run()))) == report
