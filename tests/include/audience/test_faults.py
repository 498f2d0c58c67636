"""Connections that break and transactions that are refused for now: a step tries again and nothing is doubled."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymysql.err import OperationalError
from sqlalchemy import Engine, event, text

from include.audience import pipeline, settings
from include.audience.labeling.labeler import Labeler
from include.audience.pipeline import LabelingFailedError
from include.audience.results import state
from include.audience.results.state import TaskAbortedError
from include.audience.rules import matching
from include.core.database.engine import open_engine
from include.core.database.errors import SilentServerError
from include.core.errors import BadDataError
from tests.support.labeling import DCARD, Lab, post

MARIADB = pytest.mark.parametrize("server", ["mariadb"], indirect=True)
POSTS = (
    post("a", "Lily", "00:00:00"),
    post("b", "Mark", "01:00:00", DCARD),
    post("c", "Lily", "06:00:00"),
    post("d", "Mark", "12:00:00"),
)
LATE = [
    "label_progress.check_point <",  # labelled rows have been inserted
    ", received=",  # a batch is done
    "length_receive_table=",  # the label stage is done
    "INSERT INTO wh_panel_mapping_forum",
    "prod_stat=",  # production is done
]
"""What a statement late in a transaction has in it."""


@contextmanager
def striking(words: str, strike: Callable[[Any], None]) -> Iterator[list[str]]:
    """Run something the first time a statement that contains *words* is about to be sent."""
    struck: list[str] = []

    def look(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if words in statement and not struck:
            struck.append(statement)
            strike(cursor)

    for name in ("do_execute", "do_executemany"):
        event.listen(Engine, name, look)
    try:
        yield struck
    finally:
        for name in ("do_execute", "do_executemany"):
            event.remove(Engine, name, look)


def check(lab: Lab, words: str, strike: Callable[[Any], None]) -> None:
    lab.load(*POSTS)
    with striking(words, strike) as struck:
        found = lab.run("1")
    assert struck
    assert found.content == lab.run("2").content


@MARIADB
@pytest.mark.parametrize("words", LATE)
def test_a_deadlock_is_tried_again(lab, words):
    def refuse(cursor: Any) -> None:
        raise OperationalError(1213, "Deadlock found, try restarting transaction")

    check(lab, words, refuse)


@MARIADB
@pytest.mark.parametrize("words", LATE[::3])
def test_a_lost_connection_is_tried_again(lab, words):
    def cut(cursor: Any) -> None:
        with lab.connected(lab.result_url) as connection:
            connection.execute(text(f"KILL {cursor.connection.thread_id()}"))

    check(lab, words, cut)


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
@pytest.mark.parametrize("words", LATE[::3])
def test_a_locked_file_is_tried_again(lab, words):
    def refuse(cursor: Any) -> None:
        raise sqlite3.OperationalError("database is locked")

    check(lab, words, refuse)


@MARIADB
@pytest.mark.parametrize("kill", ["KILL", "KILL QUERY"])
def test_a_source_that_breaks_off_is_read_again(lab, monkeypatch, kill):
    """The texts are so long that the server has not yet sent all of them when it is stopped."""
    count = 20
    lab.rules("panel,keyword,match_type\nfemale,ballet,start\n", predict_type="content")
    lab.load(*(post(f"r{number:02}", f"author {number}", "00:00:00", content="x") for number in range(count)))
    running = "SELECT id FROM information_schema.processlist WHERE db = :db AND command = 'Query'"
    label, killed = Labeler.label, []

    def label_and_kill(*args: Any) -> Any:
        if not killed:
            with lab.connected(lab.result_url) as connection:
                for number in connection.execute(text(running), {"db": lab.settings.input_schema}).scalars():
                    killed.append(number)
                    connection.execute(text(f"{kill} {number}"))
        return label(*args)

    with lab.connected(lab.source_url) as connection:
        connection.execute(text("UPDATE ts_page_content SET content = REPEAT('x', 1000000)"))
        connection.execute(text("UPDATE ts_page_content SET content = 'ballet' WHERE id = 'r19'"))
    monkeypatch.setattr(Labeler, "label", label_and_kill)
    monkeypatch.setattr("include.audience.pipeline.PART_ROWS", 1)
    found = lab.run(predict_type="content")
    assert len(killed) == 1
    assert found.state["length_receive_table"] == count
    assert found.state["uniq_source_author"] == str(count)
    assert [row[0] for row in found.production["fbpm"]] == ["r19"]


@MARIADB
def test_a_server_that_is_silent_fails_a_step_for_now(lab, silent_server, monkeypatch):
    """Airflow retries all errors but bad data, minutes later."""
    monkeypatch.setattr(settings, "CONNECT_SECONDS", 1)
    lab.load(*POSTS)
    host, port = silent_server
    with pytest.raises(SilentServerError, match="the database server does not answer"):
        lab.pipeline(input_host=host, input_port=port).open_task()
    assert "the database server does not answer" in lab.outcome().state["error_message"]
    steps = lab.pipeline(output_host=host, output_port=port)
    for step in (steps.open_task, lambda: steps.label(0), steps.close_labeling, steps.produce):
        with pytest.raises(SilentServerError, match="the database server does not answer"):
            step()
    assert lab.run().content == lab.run("2").content


ENDLESS = {"model_type": "rule_model", "predict_type": "content"}


def load_endless(lab: Lab) -> None:
    lab.rules("panel,pattern\nx,(?!y)(a+)+$\n", **ENDLESS)
    lab.load(post("a", "Lily", "00:00:00", content="a" * 600 + "!"))


def test_a_rule_that_does_not_come_to_an_end_fails_the_task_at_once(lab, monkeypatch):
    monkeypatch.setattr(matching, "STALL_SECONDS", 0.1)
    load_endless(lab)
    steps = lab.pipeline(**ENDLESS)
    steps.open_task()
    with pytest.raises(BadDataError, match=r"the rule '\(\?!y\)\(a\+\)\+\$' of /x does not come to an end"):
        steps.label(0)
    with pytest.raises(LabelingFailedError):
        steps.close_labeling()
    found = lab.outcome().state
    assert found["stat"] == "FAILURE"
    assert "the rule '(?!y)(a+)+$' of /x" in found["error_message"]


def test_an_abort_ends_a_search(lab, monkeypatch):
    monkeypatch.setattr(matching, "STALL_SECONDS", 0.1)
    monkeypatch.setattr(pipeline, "ABORT_SECONDS", 0)
    load_endless(lab)
    steps = lab.pipeline(**ENDLESS)
    steps.open_task()
    label = Labeler.label

    def abort_and_label(*args: Any) -> Any:
        with open_engine(lab.result_url) as engine:
            state.abort(engine, steps.task.task_id)
        return label(*args)

    monkeypatch.setattr(Labeler, "label", abort_and_label)
    with pytest.raises(TaskAbortedError):
        steps.label(0)
    assert lab.outcome().temp == {}
