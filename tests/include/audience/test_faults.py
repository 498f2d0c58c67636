"""Connections that break and transactions that are refused for now: a step tries again and nothing is doubled."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymysql.err import OperationalError
from sqlalchemy import Engine, create_engine, event, text

from include.audience.labeling import Labeler
from tests.include.audience.conftest import DCARD, Lab, post

MARIADB = pytest.mark.parametrize("server", ["mariadb"], indirect=True)
POSTS = (
    post("a", "Lily", "00:00:00"),
    post("b", "Mark", "01:00:00", DCARD),
    post("c", "Lily", "06:00:00"),
    post("d", "Mark", "12:00:00"),
)
LAST_WORDS = [
    "UPDATE label_progress SET check_point=",  # of a write of labelled rows
    "UPDATE label_progress SET check_point=NULL",  # of a batch
    "UPDATE state SET stat='SUCCESS'",
    "INSERT INTO wh_panel_mapping_forum",
    "UPDATE state SET prod_stat",
]
"""How statements begin that end a transaction, parameters filled in."""


@contextmanager
def striking(words: str, strike: Callable[[Any], None]) -> Iterator[list[str]]:
    """Do something the first time that a statement that begins with *words* is about to be sent."""
    struck: list[str] = []

    def look(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        values = [parameters] if isinstance(parameters, dict) else []
        filled = statement % {k: v if v is None else repr(v) for k, v in values[0].items()} if values else statement
        if filled.replace("None", "NULL").startswith(words) and not struck:
            struck.append(statement)
            strike(cursor)

    names = ("do_execute", "do_executemany")
    for name in names:
        event.listen(Engine, name, look)
    try:
        yield struck
    finally:
        for name in names:
            event.remove(Engine, name, look)


def test_it(lab):
    lab.load(*POSTS)
    def look(cursor, statement, parameters, context):
        print(statement.replace("\n", " "), parameters)
    for name in ("do_execute", "do_executemany"):
        event.listen(Engine, name, look)
    try:
        lab.run()
    finally:
        for name in ("do_execute", "do_executemany"):
            event.remove(Engine, name, look)
    assert 0
