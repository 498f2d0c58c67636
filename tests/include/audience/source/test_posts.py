"""Reading the source table on both databases."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from include.audience.pipeline import UnknownSchemaError
from include.audience.source.posts import Posts, Source
from include.audience.source.windows import Span, Windows
from include.core.database.engine import open_engine
from include.core.database.errors import DatabaseRefusedError, classify_errors
from tests.support.labeling import UNMAPPED, Lab, post

SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
MARIADB = pytest.mark.parametrize("server", ["mariadb"], indirect=True)
FIRST, LAST = datetime(2020, 1, 1), datetime(2020, 1, 1, 6)
AROUND = (
    post("before", "Kim", "2019-12-31 23:59:59"),
    post("first", "Kim", FIRST),
    post("inside", "Kim", "03:00:00"),
    post("almost", "Kim", "05:59:59"),
    post("last", "Kim", LAST),
    post("after", "Kim", "06:00:01"),
    post("next day", "Kim", "1 00:00:00"),
)


@contextmanager
def source(lab: Lab, column: str = "author", table: str = "ts_page_content") -> Iterator[Source]:
    with open_engine(lab.source_url, read_only=True) as engine:
        yield Source(engine, table, column)


def read(lab: Lab, span: Span, column: str = "author", rows: int = 100) -> list[Posts]:
    with source(lab, column) as opened:
        return list(opened.read(span, rows))


def ids(lab: Lab, span: Span, column: str = "author") -> set[str]:
    return {id for posts in read(lab, span, column) for id in posts.ids}


@pytest.mark.parametrize(("closed", "end"), [(False, set()), (True, {"last"})])
def test_a_span_has_its_begin_and_only_when_closed_its_end(lab, closed, end):
    lab.load(*AROUND)
    assert ids(lab, Span(FIRST, LAST, closed)) == {"first", "inside", "almost"} | end


@SQLITE
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(
    "spelled",
    [
        lambda time: time.isoformat(" "),
        lambda time: time.isoformat(),
        lambda time: time.isoformat(" ", "microseconds"),
        lambda time: time.isoformat("T", "microseconds"),
        lambda time: time.isoformat("T", "milliseconds"),
    ],
)
def test_every_spelling_of_a_time_is_read(lab, spelled, closed):
    lab.load(*(row | {"post_time": spelled(row["post_time"])} for row in AROUND))
    expected = {"first": FIRST, "inside": datetime(2020, 1, 1, 3), "almost": datetime(2020, 1, 1, 5, 59, 59)}
    found = read(lab, Span(FIRST, LAST, closed))[0]
    assert dict(zip(found.ids, found.times.tolist(), strict=True)) == expected | ({"last": LAST} if closed else {})
    with source(lab) as opened:
        assert opened.count(Windows(FIRST, datetime(2020, 1, 2), 6)) == {0: 3, 1: 2, 3: 1}


@SQLITE
def test_spellings_may_be_mixed_and_windows_begin_at_any_second(lab):
    times = ["2020-01-01 05:00:00", "2020-01-01T05:00:01", "2020-01-01 05:00:02.000000", "2020-01-01T04:59:59.999"]
    lab.load(*(post(f"r{number}", "Kim", FIRST) | {"post_time": time} for number, time in enumerate(times)))
    begin = datetime(2020, 1, 1, 5)
    assert ids(lab, Span(begin, datetime(2020, 1, 1, 5, 0, 2))) == {"r0", "r1"}
    assert ids(lab, Span(begin, datetime(2020, 1, 1, 5, 0, 2), closed=True)) == {"r0", "r1", "r2"}


@SQLITE
def test_the_index_on_the_time_is_used(lab):
    lab.load(*AROUND)
    with source(lab) as opened, lab.connected(lab.source_url) as connection:
        within = opened._within(Span(FIRST, LAST)).compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT id FROM ts_page_content WHERE {within}").all()
    assert "USING INDEX ix_ts_page_content_post_time (post_time>? AND post_time<?)" in str(plan)


def test_rows_without_author_source_or_text_are_not_read(lab):
    lab.load(
        post("full", "Kim", FIRST, content="text", s_area_id="area"),
        post("no author", None, FIRST, content="text", s_area_id="area"),
        post("no source", "Kim", FIRST, None, content="text", s_area_id="area"),
        post("no content", "Kim", FIRST, content=None, s_area_id="area"),
        post("no area", "Kim", FIRST, content="text", s_area_id=None),
        post("empty", "", FIRST, "", content="", s_area_id=""),
    )
    span = Span(FIRST, LAST)
    assert ids(lab, span, "author") == {"full", "empty", "no content", "no area"}
    assert ids(lab, span, "content") == {"full", "empty", "no area"}
    assert ids(lab, span, "s_area_id") == {"full", "empty", "no content"}


@pytest.mark.parametrize(("column", "value"), [("author", "Kim "), ("content", "text\n"), ("s_area_id", "WH_F9999_07")])
def test_the_columns_of_a_row(lab, column, value):
    lab.load(post("a", "Kim ", "05:00:01", UNMAPPED, content="text\n", s_area_id="WH_F9999_07"))
    [found] = read(lab, Span(FIRST, LAST), column)
    assert (found.ids.tolist(), found.s_ids.tolist(), found.authors.tolist()) == (["a"], [UNMAPPED], ["Kim "])
    assert found.texts.tolist() == [value]
    assert (found.texts is found.authors) == (column == "author")
    assert found.times.dtype == "datetime64[s]"
    assert found.times.tolist() == [datetime(2020, 1, 1, 5, 0, 1)]


def test_rows_come_in_parts(lab):
    lab.load(*AROUND)
    parts = read(lab, Span(FIRST, LAST, closed=True), rows=3)
    assert [len(part.ids) for part in parts] == [3, 1]
    assert read(lab, Span(datetime(2019, 1, 1), datetime(2019, 1, 2))) == []


def test_only_some_of_the_rows_may_be_taken(lab):
    lab.load(*AROUND)
    with source(lab) as opened:
        parts = opened.read(Span(FIRST, LAST), 1)
        assert len(next(parts).ids) == 1
        parts.close()


def test_rows_are_counted_by_window(lab):
    lab.load(*AROUND, post("no author", None, "20:00:00"))
    with source(lab) as opened:
        assert opened.count(Windows(FIRST, datetime(2020, 1, 2), 6)) == {0: 3, 1: 2, 3: 2}
        assert opened.count(Windows(FIRST, LAST, 6)) == {0: 4}
        assert opened.count(Windows(datetime(2019, 1, 1), datetime(2019, 1, 2), 6)) == {}
        assert opened.count(Windows(datetime(2019, 12, 31, 23, 59, 59), LAST, 6)) == {0: 3, 1: 2}


@pytest.mark.parametrize("name", ["no_such_table", 'no such`table"; DROP TABLE x; --'])
def test_an_unknown_table_is_named(lab, name):
    lab.load(*AROUND)
    uses = (lambda it: list(it.read(Span(FIRST, LAST), 9)), lambda it: it.count(Windows(FIRST, LAST, 6)))
    for use in (*uses, Source.warn_without_index):
        with (
            pytest.raises(DatabaseRefusedError, match=r"no such table|a table does not exist"),
            classify_errors(),
            source(lab, table=name) as opened,
        ):
            use(opened)
    assert ids(lab, Span(FIRST, LAST))


def test_an_unknown_column_is_named(lab):
    lab.load(*AROUND)
    with lab.connected(lab.source_url) as connection:
        connection.execute(text("CREATE TABLE other (id VARCHAR(9), author VARCHAR(9), post_time DATETIME)"))
    try:
        with (
            pytest.raises(DatabaseRefusedError, match="s_id"),
            classify_errors(),
            source(lab, table="other") as opened,
        ):
            list(opened.read(Span(FIRST, LAST), 9))
    finally:
        with lab.connected(lab.source_url) as connection:
            connection.execute(text("DROP TABLE other"))


@SQLITE
def test_an_unknown_schema_is_refused_and_no_file_is_made(lab):
    with pytest.raises(UnknownSchemaError, match="there is no source schema wh_none"):
        lab.pipeline(target_schema="wh_none").open_task()
    assert sorted(path.stem for path in Path(lab.settings.data_dir).glob("*.db")) == ["audience_result", "wh_demo"]
    assert "there is no source schema wh_none" in lab.outcome().state["error_message"]


@MARIADB
def test_an_unknown_schema_is_refused(lab):
    with pytest.raises(DatabaseRefusedError, match=r"the database does not exist: .*wh_none"):
        lab.pipeline(target_schema="wh_none").open_task()
    assert "wh_none" in lab.outcome().state["error_message"]


def test_an_output_schema_that_is_not_allowed_is_refused(lab):
    with pytest.raises(UnknownSchemaError, match="output schema wh_none is not allowed"):
        lab.pipeline(output_schema="wh_none").open_task()


def test_a_table_with_an_unusual_name_can_be_read(lab):
    lab.load(*AROUND)
    with lab.connected(lab.source_url) as connection:
        connection.execute(text("CREATE TABLE `select$-1` AS SELECT * FROM ts_page_content"))
    try:
        assert lab.run(target_table="select$-1").state["length_receive_table"] == 5
    finally:
        with lab.connected(lab.source_url) as connection:
            connection.execute(text("DROP TABLE `select$-1`"))


def test_a_table_without_an_index_is_warned_about(lab, caplog):
    lab.load(*AROUND)
    with source(lab) as opened:
        opened.warn_without_index()
    assert caplog.records == []
    name, off = "ix_ts_page_content_post_time", " ON ts_page_content" if lab.on_mariadb else ""
    with lab.connected(lab.source_url) as connection:
        connection.execute(text(f"DROP INDEX {name}{off}"))
    try:
        with caplog.at_level(logging.WARNING), source(lab) as opened:
            opened.warn_without_index()
    finally:
        with lab.connected(lab.source_url) as connection:
            connection.execute(text(f"CREATE INDEX {name} ON ts_page_content (post_time)"))
    assert "ts_page_content has no index on post_time" in caplog.text


def test_nothing_can_be_written(lab):
    with (
        source(lab) as opened,
        pytest.raises(DBAPIError, match=r"readonly|READ ONLY"),
        opened.engine.begin() as connection,
    ):
        connection.execute(text("DELETE FROM ts_page_content"))


def test_the_newest_post_is_known_where_an_index_tells(lab):
    lab.load()
    with source(lab) as opened:
        assert opened.newest() is None
    lab.load(*AROUND)
    with source(lab) as opened:
        assert opened.newest() == datetime(2020, 1, 2)
    with lab.connected(lab.source_url) as connection:
        connection.execute(text("CREATE TABLE plain AS SELECT * FROM ts_page_content"))
    try:
        with source(lab, table="plain") as opened:
            assert opened.newest() is None
    finally:
        with lab.connected(lab.source_url) as connection:
            connection.execute(text("DROP TABLE plain"))
