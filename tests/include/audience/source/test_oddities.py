"""Posts that are stored in an odd way are read as what they mean, or left out, counted and told, on both databases."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from include.audience.pipeline import LabelingFailedError
from include.audience.source.oddities import ID, TEXT, TIME, Oddities, TooManyUnreadableError
from include.audience.source.posts import SourceTableError
from include.core.database.errors import DatabaseRefusedError
from tests.support.labeling import DCARD, FBPM, Lab, Outcome, ids

MARIADB = pytest.mark.parametrize("server", ["mariadb"], indirect=True)
SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
COLUMNS = {"id": "VARCHAR(200)", "s_id": "VARCHAR(32)", "author": "TEXT", "content": "TEXT", "post_time": "DATETIME"}
ALL = {"max_unreadable_ratio": 1.0}


@pytest.fixture
def odd(lab: Lab) -> Iterator[Lab]:
    """Yield a lab whose table of posts is dropped at the end."""
    yield lab
    with lab.connected(lab.source_url) as connection:
        connection.execute(text("DROP TABLE odd"))


def fill(lab: Lab, *rows: dict[str, Any], **types: str) -> None:
    """Make a table of posts with these types of columns; a value in parentheses is SQL."""
    described = COLUMNS | types
    with lab.connected(lab.source_url) as connection:
        if lab.on_mariadb:
            connection.execute(text("SET sql_mode = ''"))
        connection.execute(text(f"CREATE TABLE odd ({', '.join(map(' '.join, described.items()))})"))
        for row in rows:
            values = {name: row.get(name, default) for name, default in DEFAULTS.items()}
            sql = ", ".join(v[1:-1] if str(v).startswith("(") else f":{name}" for name, v in values.items())
            bound = {name: v for name, v in values.items() if not str(v).startswith("(")}
            connection.execute(text(f"INSERT INTO odd ({', '.join(values)}) VALUES ({sql})"), bound)


DEFAULTS = {"id": "x", "s_id": FBPM, "author": "Lily", "content": "", "post_time": "2020-01-01 01:00:00"}


def run(lab: Lab, **options: Any) -> Outcome:
    return lab.run(target_table="odd", **options)


@pytest.mark.parametrize(
    ("kind", "value", "author"),
    [
        ("INTEGER", 12345, "12345"),
        ("DOUBLE", 2.5, "2.5"),
        ("BLOB", "(X'4C696C79')", "Lily"),
        ("VARBINARY(99)", "(X'4C696C79')", "Lily"),
        ("TEXT", "12345", "12345"),
    ],
)
@pytest.mark.parametrize("column", ["author", "content"])
def test_values_of_other_types_are_read_as_text(odd, kind, value, author, column):
    odd.rules(
        f"panel,keyword,match_type\nnumber,{author},exactly\n",
        predict_type={"author": "author_name"}.get(column, column),
    )
    fill(odd, {"id": "a", column: value}, {"id": "b", column: "(NULL)"}, **{column: kind})
    found = run(odd, predict_type=column)
    assert [row[5] for row in found.temp["fbpm"]] == [author]
    assert found.state["length_receive_table"] == 1
    assert found.state["error_message"] is None


@SQLITE
def test_a_column_without_a_type_may_hold_anything(odd):
    rows = [{"id": f"r{number}", "author": author} for number, author in enumerate([1, 2.5, "(X'4C696C79')", "Lily"])]
    fill(odd, *rows, author="")
    assert run(odd).state["uniq_source_author"] == "3"


def test_ids_of_other_types_are_read_as_text(odd):
    fill(odd, {"id": 7}, {"id": 12, "author": "Mark"}, id="INTEGER")
    assert ids(run(odd).temp["fbpm"]) == ["12", "7"]


def test_bytes_that_are_not_utf_8_are_replaced_and_counted(odd, caplog, monkeypatch):
    """They are read in parts: the first is past when the bytes come."""
    monkeypatch.setattr("include.audience.pipeline.PART_ROWS", 2)
    raw = "(X'4C696C79ED61')" if odd.on_mariadb else "(CAST(X'4C696C79ED61' AS TEXT))"
    good = [{"id": f"g{number}", "author": f"Lily {number}"} for number in range(5)]
    fill(odd, *good, {"id": "bad", "author": raw}, *[row | {"id": row["id"] + "x"} for row in good],
         author="BLOB" if odd.on_mariadb else "TEXT")  # fmt: skip
    found = run(odd)
    assert found.state["length_receive_table"] == 11
    assert [row[1] for row in found.temp["fbpm"] if row[0] == "bad"] == [f"{FBPM}_Lily\N{REPLACEMENT CHARACTER}a"]
    assert "1 labelled with replacement characters" in found.state["error_message"]
    assert "the post with the id 'bad'" in found.state["error_message"]
    assert found.state["error_message"] in odd.notes[-1]
    assert "'bad'" in caplog.text


@pytest.mark.parametrize("long", ["(NULL)", "100064_pfbid0" + "a" * 52])
def test_a_post_without_an_id_that_fits_is_received_but_not_written(odd, long, caplog):
    fill(odd, {"id": long, "author": "Lily Goh", "s_id": DCARD}, {"id": "a" * 64}, {"id": long, "author": "nobody"})
    found = run(odd)
    assert (found.state["length_receive_table"], found.state["length_output_table"]) == (3, 1)
    assert found.state["stat"] == "SUCCESS"
    assert "1 left out, without an id or with one of more than 64 characters" in found.state["error_message"]
    assert "in 'WH_F0116' by 'Lily Goh' at 2020-01-01 01:00:00" in found.state["error_message"]
    assert "Lily Goh" in caplog.text


SPELLED = ["2020-01-01 08:05:00", "2020-01-01T08:05:00", "2020-01-01 08:05", "2020-01-01", "2020-01-01T08:05:00.250"]
NOT_TIMES = ["2020/01/02 08:00", "2020-1-1 08:00:00", "2020-01-01 8:05:00", "1577952000", "2020-01-01 ??:00:00", "??",
             "2020-02-00 00:00:00", "2020-00-00 00:00:00", "0000-00-00 00:00:00", ""]  # fmt: skip


@pytest.mark.parametrize("kind", ["TEXT", "VARCHAR(40)"])
def test_text_that_is_a_time_is_read(odd, kind):
    fill(odd, *({"id": text, "author": f"Lily {text}", "post_time": text} for text in SPELLED), post_time=kind)
    found = run(odd, end_time="2020-01-01 08:05:00")
    times = {text: datetime(2020, 1, 1) if len(text) == 10 else datetime(2020, 1, 1, 8, 5) for text in SPELLED}
    assert {row[0]: row[3] for row in found.temp["fbpm"]} == times
    assert found.state["error_message"] is None


@pytest.mark.parametrize("start", ["2020-01-01 08:05:00", "2020-01-01 00:00:00"])
def test_text_belongs_to_one_window_only(odd, start):
    times = [*SPELLED, "2020-01-01 08:04:59.999", "2019-12-31 23:59", "2020-01-01 14:05", "2020-01-02"]
    fill(
        odd,
        *({"id": str(n), "post_time": time, "author": f"Lily {n}"} for n, time in enumerate(times)),
        post_time="TEXT",
    )
    found = run(odd, start_time=start, end_time="2020-01-02 00:00:00", batch_rows=1)
    expected = set(range(9)) - {6} - ({3, 5} if "08" in start else set())
    assert sorted(ids(found.temp["fbpm"])) == sorted(map(str, expected))
    assert found.state["length_receive_table"] == len(expected)


def test_text_that_is_no_time_is_left_out_and_counted(odd, caplog):
    bad = [{"id": f"bad {number}", "post_time": value} for number, value in enumerate(NOT_TIMES)]
    fill(odd, {"id": "good"}, *bad, {"id": "old", "post_time": "2019/07/07"}, post_time="TEXT")
    found = run(odd, start_time="2020-01-01 00:30:00", end_time="2020-12-31 00:00:00", **ALL)
    assert found.state["length_receive_table"] == 1
    told = f"unreadable posts: {len(NOT_TIMES)} left out, with a post_time that is not YYYY-MM-DD HH:MM:SS, such as '"
    assert found.state["error_message"].startswith(told)
    assert "of the post with the id 'bad " in found.state["error_message"]
    assert told in caplog.text
    assert told in odd.notes[-1]


@SQLITE
@pytest.mark.parametrize("value", [1577952000, 2458850.5, "(X'32303230')", "(NULL)"])
def test_a_value_that_is_no_text_is_no_time(odd, value):
    fill(odd, {"id": "good"}, {"id": "bad", "post_time": value}, post_time="")
    assert "with the id 'bad'" in run(odd).state["error_message"]


@MARIADB
@pytest.mark.parametrize("kind", ["DATETIME", "DATETIME(6)", "TIMESTAMP NULL", "DATE"])
def test_every_type_of_times_is_read(odd, kind):
    fill(odd, {"post_time": "2020-01-01 08:05:00"}, post_time=kind)
    [row] = run(odd).temp["fbpm"]
    assert row[3] == datetime(2020, 1, 1, *((0,) if kind == "DATE" else (8, 5)))


@MARIADB
@pytest.mark.parametrize(
    ("value", "start"),
    [(value, "2020-01-01 00:00:00") for value in ("2020-02-00", "2020-00-00", "2020-00-07", "0000-00-00", "(NULL)")]
    + [("2020-05-00", "2020-05-01 00:00:00"), ("2020-00-00", "2020-05-17 12:00:00")],
)
def test_a_date_with_zeros_is_left_out_and_counted(odd, value, start):
    fill(odd, {"id": "good", "post_time": "2020-06-01 00:00:00"}, {"id": "bad", "post_time": value},
         {"id": "old", "post_time": "2019-00-00"}, KEY="(post_time)")  # fmt: skip
    found = run(odd, start_time=start, end_time="2020-12-31 00:00:00")
    assert found.state["length_receive_table"] == 1
    assert "1 left out, with a post_time" in found.state["error_message"]
    assert "with the id 'bad'" in found.state["error_message"]


@pytest.mark.parametrize("kind", ["DATETIME(3)", "DATETIME(6)", "VARCHAR(30)"])
def test_the_last_second_is_whole(odd, kind):
    times = ["2020-01-01 05:59:59.700", "2020-01-01 06:00:00.000", "2020-01-01 11:59:59.999", "2020-01-01 12:00:00.000"]
    fill(
        odd, *({"id": str(n), "post_time": time, "author": f"Lily {n}"} for n, time in enumerate(times)), post_time=kind
    )
    found = run(odd, end_time="2020-01-01 11:59:59", batch_rows=1)
    assert ids(found.temp["fbpm"]) == ["0", "1", "2"]
    assert [row[3].microsecond for row in found.temp["fbpm"]] == [0, 0, 0]


@MARIADB
@pytest.mark.parametrize("kind", ["BIGINT", "TIME", "DOUBLE"])
def test_a_type_that_holds_no_times_is_named_at_once(odd, kind):
    fill(odd, post_time=kind)
    with pytest.raises(SourceTableError, match="odd: post_time has a type that holds no times"):
        odd.pipeline(target_table="odd").open_task()
    assert "post_time" in odd.outcome().state["error_message"]


@pytest.mark.parametrize("missing", ["id", "s_id", "author", "post_time"])
def test_a_missing_column_is_named_at_once(odd, missing):
    kinds = {name: kind for name, kind in COLUMNS.items() if name != missing}
    with odd.connected(odd.source_url) as connection:
        connection.execute(text(f"CREATE TABLE odd ({', '.join(map(' '.join, kinds.items()))})"))
    with pytest.raises(DatabaseRefusedError, match=rf"\b{missing}\b"):
        odd.pipeline(target_table="odd").open_task()


def mixed(bad: int) -> list[dict[str, Any]]:
    return [{"id": str(n), "post_time": "??" if n < bad else "2020-01-01 01:00:00"} for n in range(20)]


def test_too_many_unreadable_posts_stop_the_run_before_it_labels(odd):
    fill(odd, *mixed(2), post_time="TEXT")
    with pytest.raises(TooManyUnreadableError, match=r"10.00% of the posts .* 5.00% .*AUDIENCE_MAX_UNREADABLE_RATIO"):
        odd.pipeline(target_table="odd").open_task()
    assert "such as '??' of the post with the id '0'" in odd.outcome().state["error_message"]
    assert run(odd, max_unreadable_ratio=0.1).state["length_receive_table"] == 18


def test_too_many_ids_that_do_not_fit_stop_the_run_before_production(odd):
    fill(odd, *({"id": f"{n:065}", "author": f"Lily {n}"} for n in range(2)), {"id": "good"})
    steps = odd.pipeline(target_table="odd")
    steps.open_task()
    steps.label(0)
    with pytest.raises(TooManyUnreadableError, match=r"66\.67%"):
        steps.close_labeling()
    found = odd.outcome()
    assert (found.state["stat"], found.production) == ("FAILURE", {})
    assert "66.67% of the posts are unreadable" in found.state["error_message"]
    with pytest.raises(LabelingFailedError):
        steps.produce()
    resumed = odd.pipeline(target_table="odd", **ALL)
    resumed.close_labeling()
    resumed.produce()
    assert odd.outcome().content == run(odd, **ALL).content


@SQLITE
def test_a_view_is_not_warned_about(odd, caplog):
    fill(odd, {"id": "a"})
    with odd.connected(odd.source_url) as connection:
        connection.execute(text("CREATE VIEW seen AS SELECT * FROM odd"))
    with caplog.at_level(logging.WARNING):
        assert odd.run(target_table="seen").state["length_receive_table"] == 1
    assert "index" not in caplog.text


def test_counts_survive_json():
    found = Oddities()
    for reason, count in ((TIME, 2), (ID, 0), (TEXT, 1), (TIME, 3)):
        found.add(reason, count, f"example {count}")
    again = Oddities.from_json(json.loads(json.dumps(found.as_json())))
    assert again == found
    assert again.counts == {TIME: 5, TEXT: 1}
    assert "5 left out" in str(again)
    assert "example 2" in str(again)
    assert str(Oddities()) == ""
