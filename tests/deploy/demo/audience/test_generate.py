"""Generated source tables."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from deploy.demo.audience.generate import rows, write
from include.audience.rules.files import read
from include.audience.rules.matching import build, panels
from include.audience.settings import RULES, SOURCE_MAP
from include.audience.source import source_map

START, END = datetime(2020, 3, 1), datetime(2020, 3, 3)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return rows(20_000)


def lines(frame: pd.DataFrame) -> list[tuple]:
    return [(*line[:-1], str(line[-1])) for line in frame.itertuples(index=False, name=None)]


def stored(engine: Engine, table: str = "ts_page_content") -> list[tuple]:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM `{table}` ORDER BY id"))
        return [(*line[:-1], str(line[-1])) for line in found]


def test_the_same_arguments_give_the_same_rows():
    first = rows(500, seed=3, authors=40, start=START, end=END)
    pd.testing.assert_frame_equal(first, rows(500, seed=3, authors=40, start=START, end=END))
    assert not first.equals(rows(500, seed=4, authors=40, start=START, end=END))


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6])
def test_few_rows_can_be_made(count):
    frame = rows(count)
    assert list(frame) == ["id", "s_id", "s_area_id", "author", "title", "content", "post_time"]
    assert len(frame) == count


def test_ids_are_distinct_and_what_is_missing_is_none(frame):
    assert frame["id"].is_unique
    texts = frame.drop(columns="post_time")
    assert {type(value) for column in texts for value in texts[column]} == {str, type(None)}
    for column in ("s_id", "author", "title", "content"):
        assert 0 < frame[column].isna().mean() < 0.3
    assert frame["s_area_id"].isna().equals(frame["s_id"].isna())


def test_sources_are_of_several_tables_and_of_none(frame):
    mapping = source_map.read(SOURCE_MAP)
    tables = {s_id: mapping.tables_of(s_id) for s_id in frame["s_id"].dropna().unique()}
    assert len({index for indexes in tables.values() for index in indexes}) >= 6
    assert len(tables["WH_F0116"]) == 2
    assert () in tables.values()


def test_about_a_quarter_of_the_authors_is_in_a_panel(frame):
    rules = read(RULES, "keyword_model", "author_name")
    found = panels(build(rules).match(frame["author"].dropna().unique().tolist()), rules)
    assert 0.2 < np.mean(found >= 0) < 0.3
    assert {0, 1} <= set(found.tolist())


def test_some_authors_post_often(frame):
    counts = frame["author"].value_counts()
    assert counts.iloc[0] > 100 * counts.median()


def test_there_are_difficult_names(frame):
    names = frame["author"].dropna()
    for part in ("👨\u200d👩", "'", '"', "\\"):
        assert names.str.contains(part, regex=False).any()
    assert names.str.len().between(590, 700).any()
    assert names.str.endswith(" ").any()
    assert names.str.endswith("\u3000").any()
    assert (names.str.strip().nunique()) < names.nunique()


def test_times_are_at_the_edges_and_beyond_them():
    times = rows(5_000, start=START, end=END)["post_time"]
    seconds = (times - START).dt.total_seconds()
    assert times[0] == START
    assert times[1] == END
    assert (seconds < 0).sum() > 10
    assert (seconds > 2 * 86_400).sum() > 10
    assert (seconds % (6 * 3600) == 0).sum() > 25
    assert seconds.between(-86_400, 3 * 86_400).all()
    assert (seconds % 1 == 0).all()


def test_rows_come_back_from_sqlite(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/source.db")
    frame = rows(300)
    write(engine, rows(10), table="other-table")
    write(engine, frame)
    assert stored(engine) == lines(frame)
    assert stored(engine)[0][-1] == "2020-01-01 00:00:00"
    assert len(stored(engine, "other-table")) == 10
    engine.dispose()


def test_writing_again_replaces_and_progress_is_told(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/source.db")
    told: list[int] = []
    write(engine, rows(100))
    write(engine, rows(20_500), progress=told.append)
    assert told == [10_000, 20_000, 20_500]
    write(engine, rows(0))
    assert stored(engine) == []
    engine.dispose()


def test_rows_come_back_from_mariadb(mariadb):
    engine = create_engine(mariadb)
    frame = rows(300)
    for _ in range(2):
        write(engine, frame)
    assert stored(engine) == lines(frame)
    found = inspect(engine)
    assert [index["column_names"] for index in found.get_indexes("ts_page_content")] == [["post_time"]]
    types = {column["name"]: str(column["type"]) for column in found.get_columns("ts_page_content")}
    assert types == {
        "id": "VARCHAR(32)",
        "s_id": "VARCHAR(32)",
        "s_area_id": "VARCHAR(64)",
        "author": "TEXT",
        "title": "TEXT",
        "content": "LONGTEXT",
        "post_time": "DATETIME",
    }
    options = found.get_table_options("ts_page_content")
    assert "utf8mb4_unicode_ci" in options.values()
    engine.dispose()
