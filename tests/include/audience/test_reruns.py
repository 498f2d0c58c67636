"""Every step may be run again, fail in the middle, or run beside others: the end is the same."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from include.audience.labeling.labeler import Labeler
from include.audience.pipeline import LabelingFailedError, Pipeline
from include.audience.results import batches, production, state, tables
from include.audience.results.state import TaskAbortedError, TaskTakenError
from include.core.database.engine import open_engine
from include.core.database.errors import DatabaseRefusedError
from include.core.errors import DamagedObjectError
from tests.support.labeling import DCARD, Lab, ids, post

POSTS = (
    post("a", "Lily", "00:00:00"),
    post("b", "Mark", "01:00:00", DCARD),
    post("c", "Lily", "06:00:00"),
    post("d", "guest", "07:00:00"),
    post("e", "Mark", "12:00:00"),
    post("f", "Lily Goh", "13:00:00", DCARD),
    post("g", "Lily", "18:00:00"),
    post("h", "Mark Sim", "23:59:59"),
)
"""Two posts in each of four windows."""
DAY = {"end_time": "2020-01-01 23:59:59"}
APART = DAY | {"batch_rows": 1}
"""Each window is a batch."""


def stop(lab: Lab) -> None:
    with open_engine(lab.result_url) as engine:
        state.abort(engine, "1".zfill(32))


@contextmanager
def refusing(lab: Lab, *refused: str) -> Iterator[None]:
    """Make the table `fbpm` reject rows with these ids."""
    with open_engine(lab.result_url) as engine:
        tables.ensure(engine, [tables.temp("fbpm")])
    among = ", ".join(f"'{id}'" for id in refused)
    body = (
        f"FOR EACH ROW IF NEW.id IN ({among}) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF"
        if lab.on_mariadb
        else f"WHEN NEW.id IN ({among}) BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    )
    with lab.connected(lab.result_url) as connection:
        connection.exec_driver_sql(f"CREATE TRIGGER refuse BEFORE INSERT ON fbpm {body}")
    try:
        yield
    finally:
        with lab.connected(lab.result_url) as connection:
            connection.execute(text("DROP TRIGGER refuse"))


def label_all(steps: Pipeline, batches: list[int]) -> list[int]:
    """Label all batches as Airflow does, and give those that failed."""
    failed = []
    for batch in batches:
        try:
            steps.label(batch)
        except (DatabaseRefusedError, IntegrityError):
            failed.append(batch)
    return failed


def test_each_step_twice_leaves_the_same(lab):
    lab.load(*POSTS)
    assert lab.run("2", times=2, **APART).content == lab.run("1", **DAY).content


def test_a_step_may_be_run_again_after_the_end(lab):
    lab.load(*POSTS)
    expected = lab.run(**APART)
    steps = lab.pipeline(**APART)
    for again in (lambda: steps.label(2), lambda: steps.label(0), steps.close_labeling, steps.produce, steps.open_task):
        again()
        found = lab.outcome()
        assert (found.temp, found.production, found.report) == expected.content


def test_tasks_do_not_touch_each_other(lab):
    lab.load(*POSTS)
    first = lab.run("1", **DAY)
    lab.run("2", times=2, end_time="2020-01-01 12:00:00")
    assert lab.outcome("1").content == first.content


def test_a_task_belongs_to_its_run(lab):
    lab.load(*POSTS)
    expected = lab.run(**DAY)
    other = lab.pipeline(**DAY)
    other.dag_run_id = "another run"
    for step in (other.open_task, lambda: other.label(0), other.close_labeling, other.produce):
        with pytest.raises(TaskTakenError):
            step()
    assert lab.outcome().content == expected.content


class TestResume:
    """A window that the database refuses, and the same without the reason for it."""

    @pytest.mark.parametrize("stretch", [1, 60_000])
    def test_windows_before_it_are_kept_and_the_rest_is_done_later(self, lab, monkeypatch, stretch):
        monkeypatch.setattr("include.audience.plan.STRETCH_ROWS", stretch)
        lab.load(*POSTS)
        steps = lab.pipeline(**DAY)
        with refusing(lab, "e"):
            batches = steps.open_task()
            error = DatabaseRefusedError if lab.on_mariadb else IntegrityError
            with pytest.raises(error, match="not this one"):
                steps.label(0)
            with pytest.raises(LabelingFailedError, match=r"stopped at 2020-01-01 12:00:00: .*not this one"):
                steps.close_labeling()
            with pytest.raises(LabelingFailedError, match="has not been labelled"):
                steps.produce()
            found = lab.outcome()
            assert {name: ids(rows) for name, rows in found.temp.items()} == {
                "Dcard": ["b"], "fbpm": ["a", "c"], "forum": ["b"],
            }  # fmt: skip
            assert found.production == {}
            assert str(found.state["check_point"])[:19] == "2020-01-01 12:00:00"
            expected = {"stat": "FAILURE", "prod_stat": None, "result": "", "run_time": None}
            assert expected.items() <= found.state.items()
            assert "not this one" in found.state["error_message"]
        assert label_all(steps, batches) == []
        steps.close_labeling()
        steps.produce()
        assert lab.outcome().content == lab.run("2", **DAY).content
        assert lab.outcome().state["check_point"] is None

    def test_the_position_is_the_earliest_of_all_batches(self, lab):
        lab.load(*POSTS)
        steps = lab.pipeline(**APART)
        with refusing(lab, "c", "g"):
            failed = label_all(steps, steps.open_task())
            assert failed == [1, 3]
            with pytest.raises(LabelingFailedError):
                steps.close_labeling()
        found = lab.outcome()
        assert str(found.state["check_point"])[:19] == "2020-01-01 06:00:00"
        assert ids(found.temp["fbpm"]) == ["a", "e"]
        assert label_all(steps, failed) == []
        steps.close_labeling()
        steps.produce()
        assert lab.outcome().content == lab.run("2", **APART).content

    def test_while_it_is_worked_on_again_a_task_is_pending(self, lab):
        lab.load(*POSTS)
        steps = lab.pipeline(**APART)
        with refusing(lab, "e"):
            label_all(steps, steps.open_task())
            with pytest.raises(LabelingFailedError):
                steps.close_labeling()
        steps.label(0)
        expected = {"stat": "PENDING", "check_point": None, "error_message": None}
        assert expected.items() <= lab.outcome().state.items()

    def test_an_error_that_another_try_has_mended_is_forgotten(self, lab):
        lab.load(*POSTS)
        steps = lab.pipeline(**DAY)
        with refusing(lab, "e"):
            batches = steps.open_task()
            assert label_all(steps, batches) == [0]
        assert "not this one" in lab.outcome().state["error_message"]
        assert label_all(steps, batches) == []
        steps.close_labeling()
        found = lab.outcome().state
        assert (found["stat"], found["error_message"]) == ("SUCCESS", None)
        assert found["run_time"] == 1.0  # from the first begin, though that try did not come to its end

    def test_a_batch_that_was_never_begun_is_not_done(self, lab):
        lab.load(*POSTS)
        steps = lab.pipeline(**APART)
        steps.open_task()
        steps.label(0)
        with pytest.raises(LabelingFailedError, match="stopped at 2020-01-01 06:00:00: a task ended without a"):
            steps.close_labeling()

    def test_a_failure_after_the_end_is_one_too(self, lab):
        lab.load(*POSTS)
        expected = lab.run(**APART)
        steps = lab.pipeline(**APART)
        with refusing(lab, "e"):
            assert label_all(steps, [2]) == [2]
            with pytest.raises(LabelingFailedError):
                steps.close_labeling()
        found = lab.outcome().state
        assert (found["stat"], found["result"], str(found["check_point"])[:19]) == (
            "FAILURE", "", "2020-01-01 12:00:00",
        )  # fmt: skip
        assert label_all(steps, [2]) == []
        steps.close_labeling()
        steps.produce()
        assert lab.outcome().content == expected.content

    def test_production_that_fails_leaves_no_half_table(self, lab):
        lab.load(*POSTS)
        expected = lab.run(**DAY)
        steps = lab.pipeline(**DAY)
        with lab.connected(lab.result_url) as connection:
            connection.execute(text("DROP TABLE forum"))  # the last table, after others have been produced
        with pytest.raises(DatabaseRefusedError, match="forum"):
            steps.produce()
        found = lab.outcome()
        assert found.state["stat"] == "SUCCESS"
        assert found.production == expected.production
        assert label_all(steps, [0]) == []
        steps.produce()
        assert lab.outcome().content == expected.content


class TestAbort:
    """A task that people stop."""

    def test_nothing_more_is_written(self, lab):
        lab.load(*POSTS)
        steps = lab.pipeline(**APART)
        steps.open_task()
        steps.label(0)
        stop(lab)
        before = lab.outcome()
        for step in (lambda: steps.label(1), steps.close_labeling, steps.produce, steps.open_task):
            with pytest.raises(TaskAbortedError):
                step()
        assert lab.outcome() == before
        assert ids(before.temp["fbpm"]) == ["a"]
        assert before.state["stat"] == "BREAK"

    def test_a_batch_stops_at_its_next_window(self, lab, monkeypatch):
        monkeypatch.setattr("include.audience.plan.STRETCH_ROWS", 1)
        label = Labeler.label

        def label_and_stop(self, posts, findings):
            if posts.times[0].item() == datetime(2020, 1, 1, 6):
                stop(lab)
            return label(self, posts, findings)

        monkeypatch.setattr(Labeler, "label", label_and_stop)
        lab.load(*POSTS)
        steps = lab.pipeline(**DAY)
        steps.open_task()
        with pytest.raises(TaskAbortedError):
            steps.label(0)
        assert ids(lab.outcome().temp["fbpm"]) == ["a"]
        with pytest.raises(TaskAbortedError):
            steps.close_labeling()
        expected = {"stat": "BREAK", "error_message": None, "length_output_table": None}
        assert expected.items() <= lab.outcome().state.items()

    def test_before_production_there_is_none(self, lab):
        lab.load(*POSTS)
        steps = lab.pipeline(**DAY)
        label_all(steps, steps.open_task())
        steps.close_labeling()
        stop(lab)
        with pytest.raises(TaskAbortedError):
            steps.produce()
        assert lab.outcome().production == {}
        assert lab.outcome().state["stat"] == "BREAK"

    def test_in_production_nothing_is_replaced(self, lab, monkeypatch):
        lab.load(*POSTS)
        steps = lab.pipeline(**DAY)
        label_all(steps, steps.open_task())
        steps.close_labeling()
        winners = production._winners

        def find_and_stop(*args):
            stop(lab)
            return winners(*args)

        monkeypatch.setattr(production, "_winners", find_and_stop)
        with pytest.raises(TaskAbortedError):
            steps.produce()
        assert lab.outcome().production == {}
        assert (lab.outcome().state["stat"], lab.outcome().state["prod_stat"]) == ("BREAK", None)


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
class TestPinned:
    """The pinned input of a task does not change with the original files."""

    def test_rules_and_sources_of_the_begin_are_used(self, lab, tmp_path):
        lab.load(*POSTS)
        expected = lab.run("2", **APART)
        source_map = tmp_path / "map.json"
        source_map.write_text(lab.settings.source_map.read_text())
        steps = lab.pipeline(**APART, source_map=source_map)
        batches = steps.open_task()
        steps.label(0)
        lab.rules("panel,keyword,match_type\nyoung,guest,exactly\n")
        source_map.write_text('{"news": ["WH_F0072"]}')
        assert steps.open_task() == batches
        assert label_all(steps, batches[1:]) == []
        steps.close_labeling()
        steps.produce()
        assert lab.outcome().content == expected.content

    @pytest.mark.parametrize("name", ["rules.csv", "source_map.json"])
    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data.replace(b"mark", b"marc").replace(b"WH_F0072", b"WH_F0073"),
            lambda data: data[: len(data) // 2],
            lambda data: b"",
            lambda data: b"\xff" + data,
        ],
    )
    def test_a_copy_that_was_changed_is_refused(self, lab, name, change):
        lab.load(*POSTS)
        steps = lab.pipeline(**DAY)
        steps.open_task()
        copy = steps.folder / name
        copy.write_bytes(change(copy.read_bytes()))
        with pytest.raises(DamagedObjectError, match=name):
            steps.label(0)
        assert lab.outcome().temp == {}


def together(*steps: list) -> None:
    """Run lists of steps at the same time; raise what one of them raises."""
    begin = threading.Barrier(len(steps))

    def walk(each: list) -> None:
        begin.wait()
        for step in each:
            step()

    with ThreadPoolExecutor(len(steps)) as pool:
        for done in [pool.submit(walk, each) for each in steps]:
            done.result()


def test_three_tasks_at_once_in_an_empty_schema(lab):
    lab.load(*POSTS)
    expected = lab.run("4", **APART)
    lab.forget(tables=True)
    together(*([lambda own=own: lab.run(own, **APART)] for own in "123"))
    for own in "123":
        assert lab.outcome(own).content == expected.content


def test_all_batches_at_once_in_an_empty_schema(lab):
    lab.load(*POSTS)
    expected = lab.run("2", **APART)
    lab.forget(tables=True)
    steps = [lab.pipeline(**APART) for _ in range(4)]
    steps[0].open_task()
    together(*([lambda own=own, each=each: each.label(own)] for own, each in enumerate(steps)))
    steps[0].close_labeling()
    steps[0].produce()
    assert lab.outcome().content == expected.content


@contextmanager
def meeting(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> Iterator[None]:
    """Let two threads meet before they call a function, after each of them has deleted what it replaces."""
    call, meet = getattr(module, name), threading.Barrier(2)

    def wait_and_call(*args: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            meet.wait(timeout=2)
        return call(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, wait_and_call)
        yield


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_an_attempt_beside_its_successor_does_not_write_twice(lab, monkeypatch):
    """Airflow starts a task again if it has not heard of it for long; the old process may still be there."""
    lab.load(*POSTS)
    expected = lab.run("2", **DAY)
    lab.forget()
    first, second = lab.pipeline(**DAY), lab.pipeline(**DAY)
    first.open_task()
    with meeting(monkeypatch, batches, "insert_rows"):
        together([lambda: first.label(0)], [lambda: second.label(0)])
    first.close_labeling()
    with meeting(monkeypatch, production, "_copy"):
        together([first.produce], [second.produce])
    assert lab.outcome().content == expected.content


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_two_openings_at_once_plan_once(lab):
    lab.load(*POSTS)
    expected = lab.run("2", **APART)
    lab.forget()
    together([lab.pipeline(**APART).open_task], [lab.pipeline(**APART).open_task])
    steps = lab.pipeline(**APART)
    assert label_all(steps, [0, 1, 2, 3]) == []
    steps.close_labeling()
    steps.produce()
    assert lab.outcome().content == expected.content
