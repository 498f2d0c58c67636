"""The steps of a run: which engine, whose day, what its job is given, what is reported of it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from include.core.errors import BadDataError, DamagedObjectError, NothingToDoError
from include.core.lease import LeaseHeldError
from include.core.remote.stored import StoredFile
from include.core.storage import read_bytes, read_json, walk_objects, write_json, write_whole
from include.songs import checking, failures, layout, report
from include.songs.downloads.download import download
from include.songs.engines import duckdb_job, spark_job
from include.songs.layout import PART, SUCCESS
from include.songs.pipeline import Dependencies, Pipeline
from include.songs.report import Values
from include.songs.request import from_params
from include.songs.results import IncompleteError, open_part
from include.songs.rules import SupersededError, TooFewRowsError
from include.songs.schemas import LISTENERS, SPINS, NotParquetError
from include.songs.settings import SongSettings
from tests.support.songs import example
from tests.support.songs.jobs import outcome, table, write

DAY = date(2019, 2, 8)
NOW = datetime(2019, 2, 9, 6, tzinfo=UTC)


class Platform:
    """Runs of one platform, and the metrics that they have sent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sent: list[tuple[Values, Mapping[str, str]]] = []

    def run(self, name: str = "a", **params: Any) -> Pipeline:
        """Begin a run."""
        settings = SongSettings.load()
        request = from_params({"day": "2019-02-08"} | params, name, None, settings)
        return Pipeline(Dependencies(self.root, lambda: datetime.now(UTC), self._measure), settings, request)

    @property
    def outputs(self) -> tuple[Path, Path]:
        dataset, counts = layout.dataset_folder(self.root, DAY), layout.counts_folder(self.root, DAY)
        return Path(dataset), Path(counts)

    def _measure(self, values: Values | Callable[[], Values], tags: Mapping[str, str] | None = None, /) -> None:
        self.sent.append((values() if callable(values) else values, tags or {}))


@pytest.fixture
def platform(tmp_path) -> Platform:
    return Platform(tmp_path / "songs")


@pytest.fixture
def fetched(platform, tmp_path) -> Platform:
    """Return a platform that has both sources of the worked example."""
    spins = write(table(SPINS, example.PLAYS), tmp_path / "remote" / "spins")
    listeners = write(table(LISTENERS, example.LISTENERS), tmp_path / "remote" / "listeners")
    download(platform.root, "spins", DAY, StoredFile(spins), NOW)
    download(platform.root, "listeners", DAY, StoredFile(listeners), NOW)
    return platform


class TestTakingADay:
    def test_a_day_is_opened_until_its_outputs_are_complete(self, platform):
        assert platform.run().open_day() == "2019-02-08"
        for folder in platform.outputs:
            write_whole(folder / SUCCESS, b"")
        assert platform.run().open_day() is None

    def test_a_free_day_is_the_runs(self, platform):
        assert platform.run("a").take_day()
        assert platform.run("a").take_day()

    def test_the_day_of_another_run_is_not_until_that_releases_it(self, platform):
        platform.run("a").take_day()
        assert not platform.run("b").take_day()
        platform.run("a").lease.release()
        assert platform.run("b").take_day()

    def test_a_day_that_another_run_has_completed_is_released_with_nothing_to_do(self, platform):
        for folder in platform.outputs:
            write_whole(folder / SUCCESS, b"")
        with pytest.raises(NothingToDoError, match="another run has completed the day"):
            platform.run("b").take_day()
        platform.run("c").lease.acquire()


class TestEngine:
    @pytest.mark.parametrize(("size", "engine"), [(2_000_000, "duckdb"), (2_000_001, "spark")])
    def test_it_follows_from_the_size_of_the_day(self, platform, monkeypatch, size, engine):
        monkeypatch.setenv("SONGS_AUTO_MEGABYTES", "2")
        write_whole(layout.spins_file(platform.root, DAY), bytes(size))
        assert platform.run().choose_engine() == engine

    def test_a_request_may_name_it(self, platform, monkeypatch):
        monkeypatch.setenv("SONGS_ENGINE", "spark")
        assert platform.run().choose_engine() == "spark"
        assert platform.run(engine="duckdb").choose_engine() == "duckdb"


class TestJobFiles:
    def test_a_job_has_a_copy_of_the_listeners_and_the_lease(self, fetched):
        with fetched.run().job_files() as files:
            original = layout.listeners_file(fetched.root)
            assert read_bytes(files.listeners) == read_bytes(original)
            write_whole(original, b"newer")
            assert read_bytes(files.listeners) != b"newer"
            with pytest.raises(LeaseHeldError):
                fetched.run("b").lease.acquire()

    def test_what_was_known_of_the_outputs_goes(self, fetched):
        write_json(layout.report_file(fetched.root, DAY), {})
        with fetched.run().job_files() as files:
            assert report.read(fetched.root, DAY) is None
            write_json(files.metrics, {"rows": 1})
        with fetched.run().job_files() as files:
            assert read_json(files.metrics) is None

    def test_the_next_job_takes_the_listeners_of_the_one_before(self, fetched):
        with fetched.run().job_files() as first, fetched.run().job_files() as second:
            assert list(walk_objects(layout.job_folder(fetched.root, DAY))) == [second.listeners.name]
            assert first.listeners.name != second.listeners.name


class TestDuckDB:
    def test_a_day_is_made_checked_and_reported_and_a_rerun_gives_the_same(self, fetched, tmp_path):
        known = []
        for name in ("a", "b"):
            fetched.run(name, minrows=6).duckdb()
            made = fetched.run(name).check().as_json()
            assert made == read_json(layout.report_file(fetched.root, DAY))
            assert outcome(fetched.outputs, {}).lines == (example.DATASET, example.COUNTS)
            known.append(read_bytes(fetched.outputs[1] / PART))  # the order of the dataset's rows is not defined
            assert made.pop("run_id") == name
            assert datetime.fromisoformat(made.pop("finished_at")).tzinfo
            assert {key: made["metrics"][key] for key in example.METRICS} == example.METRICS
            found = {key: made[key] for key in ("day", "engine", "rows", "groups", "minrows")}
            assert found == {"day": "2019-02-08", "engine": "duckdb", "rows": 6, "groups": 4, "minrows": 6}
            for source in ("spins", "listeners"):
                data = (tmp_path / "remote" / source).read_bytes()
                assert made[source].pop("source").endswith(f"remote/{source}")
                sha256 = hashlib.sha256(data).hexdigest()
                assert made[source] == {"sha256": sha256, "size": len(data), "fetched_at": NOW.isoformat()}
        assert known[0] == known[1]

    def test_too_few_rows_leave_nothing(self, fetched):
        write_whole(fetched.outputs[0] / "part-before.csv.gz", b"")
        with pytest.raises(TooFewRowsError, match="number of rows 6 < 100"):
            fetched.run().duckdb()
        assert not any(folder.exists() for folder in fetched.outputs)

    def test_a_job_whose_listeners_are_taken_away_completes_nothing(self, fetched, monkeypatch):
        folder = layout.job_folder(fetched.root, DAY)

        def begin_another(*_: int) -> None:
            for name in walk_objects(folder):
                (folder / name).unlink()

        monkeypatch.setattr(duckdb_job, "validate", begin_another)
        with pytest.raises(SupersededError, match="another job of the day has begun"):
            fetched.run().duckdb()
        assert not any((each / SUCCESS).exists() for each in fetched.outputs)
        assert not walk_objects(folder)


class TestSpark:
    def test_the_job_takes_what_it_is_given(self, fetched, monkeypatch):
        monkeypatch.setenv("SONGS_REPORT_TIMEZONE", "UTC")
        with fetched.run(minrows=5).spark() as arguments:
            found, root = spark_job.parse(arguments), f"file://{fetched.root}"
        assert (found.day, found.minrows, found.report_timezone) == (DAY, 5, "UTC")
        assert found.spins_path == f"{root}/spins/2019/02/08/spins.snappy.parquet"
        assert found.listeners_path.startswith(f"{root}/.incoming/job-2019-02-08/listeners-")
        assert found.dataset_out_path == f"{root}/output/2019/02/08/dataset"
        assert found.analysis_out_path == f"{root}/output/2019/02/08/counts_by_zip_sub"
        assert found.metrics_path == f"{root}/.incoming/job-2019-02-08/metrics.json"

    @pytest.mark.parametrize(
        ("told", "error", "message"),
        [
            ({"error": "number of rows 6 < 7"}, BadDataError, "^number of rows 6 < 7$"),  # fails at once
            ({"rows": 6}, RuntimeError, "error code 1"),  # is retried
            (None, RuntimeError, "error code 1"),
        ],
    )
    def test_bad_data_are_told_from_other_failures(self, fetched, told, error, message):
        def submit() -> None:
            if told:
                write_json(layout.job_metrics(fetched.root, DAY), told)
            raise RuntimeError("error code 1")

        with pytest.raises(error, match=message), fetched.run().spark():
            submit()


class TestFailure:
    def reject(self, platform: Platform, name: str) -> None:
        path = layout.spins_file(platform.root, DAY) if name == "spins" else layout.listeners_file(platform.root)
        path.write_bytes(path.read_bytes()[:4] + bytes(100) + (50).to_bytes(4, "little") + b"PAR1")
        with pytest.raises(NotParquetError, match=path.name if name == "spins" else "listeners"):
            platform.run(minrows=0).duckdb()

    @pytest.mark.parametrize(("name", "other"), [("spins", "listeners"), ("listeners", "spins")])
    def test_a_damaged_source_is_fetched_again_and_the_other_is_not(self, fetched, tmp_path, name, other):
        self.reject(fetched, name)
        source = StoredFile(tmp_path / "remote" / name)
        fetched.run().check_download(name, lambda: nullcontext(source))
        with pytest.raises(NothingToDoError, match=f"the {other} of 2019-02-08 were downloaded before"):
            fetched.run().check_download(other, lambda: 1 / 0)
        assert getattr(fetched.run(), name)(source) is not None
        assert getattr(fetched.run(), other)(StoredFile(tmp_path / "gone")) is None
        fetched.run(minrows=0).duckdb()
        fetched.run().check()
        assert not layout.failure_file(fetched.root, DAY).exists()
        with pytest.raises(NothingToDoError):
            fetched.run().check_download(name, lambda: 1 / 0)

    def test_a_damaged_source_that_was_replaced_by_hand_is_not_fetched(self, fetched, tmp_path):
        self.reject(fetched, "spins")
        write_whole(layout.spins_file(fetched.root, DAY), (tmp_path / "remote" / "spins").read_bytes())
        with pytest.raises(NothingToDoError):
            fetched.run().check_download("spins", lambda: 1 / 0)

    @pytest.mark.parametrize("name", ["spins", "listeners"])
    def test_after_too_few_rows_the_sources_are_asked_again_and_used_as_they_are_if_they_are_gone(
        self, fetched, tmp_path, name
    ):
        with pytest.raises(TooFewRowsError):
            fetched.run().duckdb()
        there = StoredFile(tmp_path / "remote" / name)
        fetched.run().check_download(name, lambda: nullcontext(there))
        with pytest.raises(NothingToDoError, match=r"cannot be fetched again: .*gone: not there"):
            fetched.run().check_download(name, lambda: nullcontext(StoredFile(tmp_path / "gone")))
        assert getattr(fetched.run(), name)(there) is not None

    @pytest.mark.parametrize("step", ["job", "check"])
    def test_listeners_that_were_replaced_meanwhile_are_not_rejected(self, fetched, monkeypatch, step):
        """The job of the day has read others."""
        newer = layout.listeners_file(fetched.root).read_bytes() + b"newer"
        if step == "job":
            validate = duckdb_job.validate

            def replaced(*found: int) -> None:
                write_whole(layout.listeners_file(fetched.root), newer)
                validate(*found)

            monkeypatch.setattr(duckdb_job, "validate", replaced)
            with pytest.raises(TooFewRowsError):
                fetched.run().duckdb()
        else:
            fetched.run(minrows=0).duckdb()
            write_whole(layout.listeners_file(fetched.root), newer)
            (fetched.outputs[0] / PART).write_bytes(b"")
            with pytest.raises(DamagedObjectError):
                fetched.run().check()
        found = failures.read(fetched.root, DAY)
        assert found
        assert list(found.rejected) == ["spins"]
        with pytest.raises(NothingToDoError):
            fetched.run().check_download("listeners", lambda: 1 / 0)

    def test_other_errors_reject_nothing(self, fetched, monkeypatch):
        monkeypatch.setattr(duckdb_job, "validate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetched.run().duckdb()
        with pytest.raises(NothingToDoError):
            fetched.run().check_download("spins", lambda: 1 / 0)


class TestCheck:
    def test_outputs_that_do_not_fit_together_are_no_success(self, fetched):
        fetched.run(minrows=0).duckdb()
        part = fetched.outputs[0] / PART
        part.write_bytes(part.read_bytes()[:-10])
        with pytest.raises(DamagedObjectError):
            fetched.run().check()
        assert report.read(fetched.root, DAY) is None
        assert fetched.sent == []

    @pytest.mark.parametrize("folder", [0, 1])
    def test_a_day_is_complete_only_after_its_check(self, fetched, folder):
        fetched.run(minrows=0).duckdb()
        assert fetched.run().open_day() == "2019-02-08"
        with pytest.raises(IncompleteError):
            open_part(fetched.root, DAY, layout.dataset_folder)
        part = fetched.outputs[folder] / PART
        part.write_bytes(part.read_bytes()[:-10])
        with pytest.raises(DamagedObjectError):
            fetched.run().check()
        assert not any((each / SUCCESS).exists() for each in fetched.outputs)
        assert fetched.run().open_day() == "2019-02-08"
        fetched.run(minrows=0).duckdb()
        fetched.run().check()
        assert fetched.run().open_day() is None
        for each in fetched.outputs:
            assert sorted(path.name for path in each.iterdir()) == [SUCCESS, PART]

    def test_a_check_that_is_cleared_keeps_the_report(self, fetched):
        fetched.run("a", minrows=0).duckdb()
        made = fetched.run("a").check()
        assert fetched.run("b").check() == made == report.read(fetched.root, DAY)

    def test_a_day_that_was_complete_and_is_damaged_is_so_no_more(self, fetched):
        fetched.run(minrows=0).duckdb()
        fetched.run().check()
        (fetched.outputs[1] / PART).write_bytes(b"")
        with pytest.raises(DamagedObjectError):
            fetched.run().check()
        assert fetched.run().open_day() == "2019-02-08"
        assert report.read(fetched.root, DAY) is None

    def test_a_check_that_was_killed_before_its_end_is_made_again(self, fetched, monkeypatch):
        fetched.run(minrows=0).duckdb()
        with monkeypatch.context() as patch:
            patch.setattr(checking, "complete", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                fetched.run().check()
        assert fetched.run().open_day() == "2019-02-08"
        fetched.run().check()
        assert fetched.run().open_day() is None

    def test_a_check_that_was_killed_between_its_marks_leaves_one(self, fetched):
        fetched.run(minrows=0).duckdb()
        fetched.run().check()
        write_whole(fetched.outputs[1] / layout.UNCHECKED, b"")
        fetched.run().check()
        assert not (fetched.outputs[1] / layout.UNCHECKED).exists()

    def test_the_day_is_released_after_the_check(self, fetched):
        fetched.run("a", minrows=0).duckdb()
        with pytest.raises(LeaseHeldError):
            fetched.run("b").lease.acquire()
        fetched.run("a").check()
        fetched.run("b").lease.acquire()

    def test_the_report_is_json_and_its_metrics_are_sent(self, fetched):
        fetched.run(minrows=0).duckdb()
        made = fetched.run().check()
        assert json.loads(json.dumps(made.as_json())) == made.as_json()
        values, lag = fetched.sent
        assert values == (made.values(), {"engine": "duckdb"})
        assert list(lag[0]) == ["data_lag_hours"]
