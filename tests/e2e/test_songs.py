"""Song plays on the real platform: days that are there, late, refused, asked for twice, and a Spark that is killed."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.demo.songs import generate
from include.songs import layout
from include.songs.layout import PART, SUCCESS
from include.songs.rules import REPORT_TIMEZONE
from tests.support.platform import Platform, wait_for
from tests.support.songs.jobs import DAY, outcome
from tests.support.songs.oracle import Lines, deliver
from tests.support.songs.real_day import COUNTS_DIGEST, DATASET_DIGESTS, REAL_FILES, digest
from tests.support.web import Web, serving, status

pytestmark = pytest.mark.e2e

DAG = "song_plays"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
LISTENERS = "/listeners.snappy.parquet"


class Songs:
    """The workflow as its users see it, and the music service that it asks."""

    def __init__(self, platform: Platform, web: Web) -> None:
        self.platform, self.web = platform, web
        self.root = platform.home / "data" / "songs"

    def begin(self, day: date | None, **conf: Any) -> str:
        """Start a run; give its path in Airflow's API."""
        conf = {"spins_base": self.web.url, "listeners_base": self.web.url, "poll_seconds": 1, **conf}
        conf |= {"day": f"{day}"} if day else {}
        body = {"dag_run_id": f"test-{uuid.uuid4().hex}", "logical_date": None, "conf": conf}
        self.platform.client.post(RUNS, json=body).raise_for_status()
        return f"{RUNS}/{body['dag_run_id']}"

    def get(self, path: str) -> Any:
        return self.platform.client.get(path).raise_for_status().json()

    def end(self, run: str, seconds: float = 120) -> str:
        """Wait for the end of a run; give its state."""
        ends = ("success", "failed")
        return wait_for("the run ends", lambda: (state := self.get(run)["state"]) in ends and state, seconds)

    def tasks(self, run: str) -> dict[str, Any]:
        return {each["task_id"]: each for each in self.get(f"{run}/taskInstances")["task_instances"]}

    def states(self, run: str) -> dict[str, str]:
        return {name: task["state"] for name, task in self.tasks(run).items()}

    def failed(self, run: str, task: str) -> str:
        """Check that a run has failed by the first try of a task; give the log."""
        assert self.end(run) == "failed"
        tasks = self.tasks(run)
        assert (tasks[task]["state"], tasks[task]["try_number"]) == ("failed", 1)
        return str(self.get(f"{run}/taskInstances/{task}/logs/1"))

    def outputs(self, day: date) -> tuple[Path, Path]:
        """Return the folders of dataset and counts."""
        return Path(layout.dataset_folder(self.root, day)), Path(layout.counts_folder(self.root, day))

    def lines(self, day: date) -> Lines:
        """Return the lines of both outputs of a complete day."""
        found, report = outcome(self.outputs(day), {}).lines, self.get(f"/songs/days/{day}")
        assert (report["state"], report["rows"], report["groups"]) == ("complete", len(found[0]), len(found[1]))
        return found

    def files(self) -> dict[str, int]:
        """Return all files of the song plays except leases, and when each was written."""
        found = (path for path in self.root.rglob("*") if path.is_file() and "leases" not in path.parts)
        return {str(path.relative_to(self.root)): path.stat().st_mtime_ns for path in found}


@pytest.fixture(scope="module")
def songs(platform: Platform) -> Iterator[Songs]:
    dag = f"/api/v2/dags/{DAG}"
    wait_for("the DAG is there", lambda: platform.client.get(dag).is_success, 120)
    with serving() as web:
        yield Songs(platform, web)


def spins_of(day: date) -> str:
    """Return the path of a day's spins on the web server."""
    return f"/spins-{day}.snappy.parquet"


def packed(table: pa.Table) -> bytes:
    """Write a source as the music service does."""
    file = BytesIO()
    pq.write_table(table, file, use_deprecated_int96_timestamps=True, store_schema=False)
    return file.getvalue()


def expected(day: date, spins: pa.Table, listeners: pa.Table) -> Lines:
    """Return the lines that a plain program computes for a day."""
    plays, people = ([tuple(row.values()) for row in table.to_pylist()] for table in (spins, listeners))
    return deliver(plays, people, day, REPORT_TIMEZONE)[1]


def published(songs: Songs, day: date) -> Lines:
    """Publish a day on the music service; return the expected lines."""
    spins, listeners = generate.make(day, 1000, 40)
    songs.web.files |= {LISTENERS: packed(listeners), spins_of(day): packed(spins)}
    return expected(day, spins, listeners)


@pytest.mark.real_data
def test_the_real_day_is_made_by_each_engine_and_never_twice(songs, capsys):
    songs.web.files |= {
        path: file.read_bytes() for path, file in zip((spins_of(DAY), LISTENERS), REAL_FILES, strict=True)
    }
    for engine, other in (("spark", "duckdb"), ("duckdb", "spark")):
        began = time.monotonic()
        run = songs.begin(DAY, engine=engine)
        assert songs.end(run) == "success"
        with capsys.disabled():
            print(f"\nthe real day by {engine}: {time.monotonic() - began:.1f} s")  # noqa: T201
        states = songs.states(run)
        assert (states[engine], states[other], states["check"]) == ("success", "skipped", "success")
        dataset, counts = songs.lines(DAY)
        assert (digest(dataset), digest(counts)) == (DATASET_DIGESTS[REPORT_TIMEZONE], COUNTS_DIGEST)
        report = songs.get(f"/songs/days/{DAY}")
        assert (report["engine"], report["metrics"]["spins_read"]) == (engine, 5174)
        assert report["inputs"]["listeners"]["sha256"] == report["metrics"]["listeners_sha256"]
        assert report["inputs"]["spins"]["sha256"].startswith("5b838ede6e88")

        requests, files = len(songs.web.requests), songs.files()
        again = songs.begin(DAY, engine=other, minrows=10_000_000)  # of a complete day nothing is asked
        assert songs.end(again) == "success"
        assert set(songs.states(again).values()) == {"success", "skipped"}
        assert [name for name, state in songs.states(again).items() if state == "success"] == ["open_day"]
        assert (len(songs.web.requests), songs.files()) == (requests, files)

        if engine == "spark":
            for folder in songs.outputs(DAY):
                for name in (SUCCESS, PART):
                    (folder / name).unlink()


def test_a_late_day_is_waited_for_without_a_worker(songs):
    day = date(2019, 3, 1)
    lines = published(songs, day)
    spins = songs.web.files.pop(spins_of(day))
    run = songs.begin(day, engine="duckdb")

    def looks() -> int:
        return songs.web.requests.count(("HEAD", spins_of(day)))

    wait_for("it is looked for again and again", lambda: looks() > 3)
    wait_for("the listeners are there", lambda: songs.states(run)["listeners"] == "success")
    assert songs.states(run)["spins"] == "deferred"
    assert songs.get(run)["state"] == "running"
    assert songs.get(f"/songs/days/{day}")["state"] == "waiting"
    songs.web.files[spins_of(day)] = spins
    assert songs.end(run) == "success"
    assert songs.lines(day) == lines


def sparks(songs: Songs) -> list[psutil.Process]:
    """Return the processes of Spark."""
    found = []
    for process in songs.platform.processes().values():
        with suppress(psutil.NoSuchProcess):
            if process.name() == "java":
                found.append(process)
    return found


def killed_between_outputs(songs: Songs, day: date) -> bool:
    """Send kill -9 to Spark if the dataset is complete and the counts are not."""
    dataset, counts = ((folder / SUCCESS).exists() for folder in songs.outputs(day))
    killed = sparks(songs) if dataset and not counts else []
    for process in killed:
        process.kill()
    return bool(killed)


def test_a_run_whose_spark_is_killed_between_its_outputs_and_a_second_run_of_the_day(songs):
    day = date(2019, 3, 2)
    lines = published(songs, day)
    first = songs.begin(day, engine="spark")
    wait_for("Spark is called", lambda: songs.states(first)["spark"] == "running")
    second = songs.begin(day, engine="duckdb")
    wait_for("Spark is killed between its outputs", lambda: killed_between_outputs(songs, day), 180, 0.05)
    dataset, counts = ((folder / SUCCESS).exists() for folder in songs.outputs(day))
    assert (dataset, counts) == (True, False)
    assert songs.get(f"/songs/days/{day}")["state"] == "incomplete"
    wait_for("the second run waits", lambda: songs.states(second)["take_day"] == "up_for_reschedule")
    wait_for("Spark is called again", lambda: songs.tasks(first)["spark"]["try_number"] == 2 and sparks(songs), 120)
    wait_for("its task is killed, and Spark goes on", lambda: songs.platform.kill_task(DAG, "spark"), max_pause=0.05)

    assert songs.end(first) == "success"
    assert songs.tasks(first)["spark"]["try_number"] == 3
    assert songs.lines(day) == lines
    assert songs.end(second) == "success"
    states = songs.states(second)
    assert songs.tasks(second)["take_day"]["try_number"] == 1
    assert states["take_day"] == states["duckdb"] == states["check"] == "skipped"


@contextmanager
def replaced(songs: Songs, *versions: bytes) -> Iterator[None]:
    """Replace the listeners of the music service again and again."""
    over = threading.Event()

    def replace() -> None:
        while not over.is_set():
            for version in versions:
                songs.web.files[LISTENERS] = version
                over.wait(0.01)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_three_days_at_once_while_the_listeners_are_replaced(songs):
    days = [date(2019, 3, number) for number in (3, 4, 5)]
    people = {seed: generate.make(days[0], 0, 2000, seed)[1] for seed in (1, 2, 3)}
    plays = {day: generate.make(day, 2000, 2000)[0] for day in days}
    songs.web.files |= {spins_of(day): packed(spins) for day, spins in plays.items()}
    with replaced(songs, *map(packed, people.values())):
        runs = [songs.begin(day, engine="duckdb") for day in days]
        assert [songs.end(run) for run in runs] == ["success"] * 3
    for day, spins in plays.items():
        assert songs.lines(day) in [expected(day, spins, listeners) for listeners in people.values()]


def test_too_few_rows_are_not_written(songs):
    day = date(2019, 3, 6)
    rows = len(published(songs, day)[0])
    log = songs.failed(songs.begin(day, engine="spark", minrows=10_000_000), "spark")
    assert f"number of rows {rows} < 10000000" in log
    assert not any(folder.exists() for folder in songs.outputs(day))
    assert songs.get(f"/songs/days/{day}")["state"] == "failed"


def test_a_run_without_a_day_says_so(songs):
    assert "the run has no interval: give it the param day" in songs.failed(songs.begin(None), "open_day")


def test_what_is_refused_fails_at_once(songs):
    day = date(2019, 3, 7)
    published(songs, day)
    songs.web.always["HEAD", spins_of(day)] = status(401)
    log = songs.failed(songs.begin(day), "spins")
    assert f"{songs.web.url}{spins_of(day)}: 401" in log
