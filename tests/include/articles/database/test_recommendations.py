"""The lists of a model: written whole, replaced, refused when they must not be served."""

import math

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event, insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from include.articles.database import models, recommendations
from include.articles.database.recommendations import BadRecommendationsError, Size
from include.articles.database.status import ModelStatusError
from include.articles.database.tables import RECOMMENDATION
from tests.include.articles.database.conftest import NOON, SITE, hours


def test_what_is_written_is_read_in_order(db):
    ids = db.articles("7", "x8", "9")
    model_id = db.model()
    rows = [("9", 2, ids["x8"], 0.1), ("9", 1, ids["7"], 1.0), ("10", 1, ids["9"], 0.0), ("é", 1, ids["7"], 0.0000005)]
    frame = pd.DataFrame(rows, columns=["source", "rank", "article_id", "score"], index=[5, 5, 5, 5])
    recommendations.write(db.engine, model_id, frame.assign(target="left out"), hours(1))
    found = recommendations.read_lists(db.engine, model_id)
    assert list(found.itertuples(index=False, name=None)) == [
        ("10", 1, "9", 0.0),
        ("9", 1, "7", 1.0),
        ("9", 2, "x8", 0.1),
        ("é", 1, "7", 0.0),
    ]
    with db.engine.connect() as connection:
        assert recommendations.size(connection, model_id) == Size(rows=4, sources=3, targets=3)
        row = connection.execute(RECOMMENDATION.select().where(RECOMMENDATION.c.source_entity_id == "10")).one()
    assert (row.created_at, row.updated_at) == (hours(1), hours(1))


def test_no_lists_are_an_empty_table(db):
    model_id = db.model()
    recommendations.write(db.engine, model_id, db.lists("ab").iloc[:0], NOON)
    found = recommendations.read_lists(db.engine, model_id)
    assert list(found.columns) == ["source", "rank", "external_id", "score"]
    assert found.empty
    with db.engine.connect() as connection:
        assert recommendations.size(connection, model_id) == Size(0, 0, 0)


def test_writing_again_replaces(db):
    model_id, other = db.filled("run", sources="abc"), db.filled("other", sources="ab")
    recommendations.write(db.engine, model_id, db.lists("d"), NOON)
    assert recommendations.read_lists(db.engine, model_id)["source"].tolist() == ["d", "d"]
    assert db.count(other) == 4


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", math.nan, "a score that is not from 0 to 1"),
        ("score", math.inf, "a score that is not from 0 to 1"),
        ("score", 1.0000001, "a score that is not from 0 to 1"),
        ("score", -0.0001, "a score that is not from 0 to 1"),
        ("rank", 0, "a rank below 1"),
        ("rank", np.nan, "a rank below 1"),
        ("source", None, "no source"),
        ("source", "", "no source"),
        ("article_id", np.nan, "no article"),
        ("article_id", 1, "an article that the list has already"),
    ],
)
@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_lists_that_must_not_be_served_are_refused_before_anything_changes(db, column, value, message):
    model_id = db.filled("run")
    lists = db.lists("c")
    lists[column] = lists[column].astype(object)
    lists.loc[1, column] = value
    if column != "source":
        lists[column] = lists[column].astype(float)
    with pytest.raises(BadRecommendationsError, match=rf"1 of 2 recommendations have {message}, as \{{'source': "):
        recommendations.write(db.engine, model_id, lists, NOON)
    assert db.count(model_id) == 4
    with pytest.raises(BadRecommendationsError, match="no column rank, score"):
        recommendations.write(db.engine, model_id, lists[["source", "article_id"]], NOON)


@pytest.mark.parametrize("wrong", [{"score": math.nan}, {"score": 1.1}, {"score": -0.1}, {"score": None}, {"rank": 0}])
def test_the_database_itself_refuses_them(db, wrong):
    model_id, [article_id] = db.model(), db.articles("1").values()
    values = {"score": 0.5, "rank": 1} | wrong
    row = {"model_id": model_id, "source_entity_id": "a", "recommended_article_id": article_id, **values}
    with pytest.raises(DBAPIError, match=r"(?i)check|not[- ]null"), db.engine.begin() as connection:
        connection.execute(insert(RECOMMENDATION), row | {"created_at": NOON, "updated_at": NOON})


@pytest.mark.parametrize("status", ["current", "stale", "failed"])
def test_only_a_pending_model_is_written(db, status):
    model_id = db.filled("run")
    db.execute("UPDATE model SET status = :status", status=status)
    with pytest.raises(ModelStatusError, match=f"model {model_id} is {status}, pending was expected"):
        recommendations.write(db.engine, model_id, db.lists("cd"), NOON)
    assert set(recommendations.read_lists(db.engine, model_id)["source"]) == {"a", "b"}
    with pytest.raises(ModelStatusError, match="model 987654321 is gone"):
        recommendations.write(db.engine, 987654321, db.lists("cd"), NOON)


def test_an_article_that_is_not_there_is_refused(db):
    model_id = db.model()
    with pytest.raises(IntegrityError):
        recommendations.write(db.engine, model_id, db.lists().assign(article_id=[1, 2, 1, 987654321]), NOON)


def test_rows_are_written_and_deleted_in_parts(db, monkeypatch):
    monkeypatch.setattr(recommendations, "PART_ROWS", 3)
    model_id = db.filled("run", sources="abcde")
    sizes = []
    event.listen(db.engine, "commit", lambda _: sizes.append(0))
    assert db.count(model_id) == 10
    recommendations.write(db.engine, model_id, db.lists("vwxyz"), NOON)
    assert set(recommendations.read_lists(db.engine, model_id)["source"]) == set("vwxyz")
    assert len(sizes) >= 8  # of 10 rows deleted 4 transactions, of 10 written 4
    assert models.current(db.engine, SITE, "article") is None


def test_a_write_that_breaks_off_is_begun_anew_by_another_try(db, monkeypatch):
    monkeypatch.setattr(recommendations, "PART_ROWS", 3)
    model_id, lists = db.filled("run", sources="a"), db.lists("vwxyz")
    begun = []

    def crash(_, __, statement: str, *___: object) -> None:
        begun.append(statement.startswith("INSERT INTO recommendation"))
        if sum(begun) == 3:
            raise KeyboardInterrupt

    event.listen(db.engine, "before_cursor_execute", crash)
    with pytest.raises(KeyboardInterrupt):
        recommendations.write(db.engine, model_id, lists, NOON)
    event.remove(db.engine, "before_cursor_execute", crash)
    assert db.count(model_id) == 6
    assert db.status(model_id) == "pending"
    assert db.model("run") == model_id
    assert db.count(model_id) == 0
    recommendations.write(db.engine, model_id, lists, NOON)
    assert db.count(model_id) == 10


def test_with_a_model_or_an_article_go_its_recommendations(db):
    model_id, other = db.filled("run"), db.filled("other")
    db.execute("DELETE FROM model WHERE id = :id", id=model_id)
    assert (db.count(model_id), db.count(other)) == (0, 4)
    db.execute("DELETE FROM article WHERE external_id = '1'")
    assert recommendations.read_lists(db.engine, other)["external_id"].tolist() == ["2", "2"]


def test_ids_may_be_beyond_32_bits(db):
    big = 2**40
    if db.engine.dialect.name == "postgresql":
        for table in ("article", "model", "recommendation", "path"):
            db.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {big})")
    else:
        for table in ("article", "model"):  # the next id follows the greatest
            columns = [row.name for row in db.rows(f"PRAGMA table_info({table})")][1:]
            values = ["'failed'" if name == "status" else "'article'" if name == "type" else "''" for name in columns]
            db.execute(f"INSERT INTO {table} (id, {', '.join(columns)}) VALUES ({big}, {', '.join(values)})")
    model_id = db.filled("run")
    assert model_id == big + 1
    assert min(db.articles("1", "2").values()) > big
    assert db.status(model_id) == "pending"
    assert models.promote(db.engine, model_id, NOON) == "current"
    assert len(recommendations.read_lists(db.engine, model_id)) == 4
    if db.engine.dialect.name == "postgresql":
        assert db.rows("SELECT min(id) > 2^40 FROM recommendation") == [(True,)]
    else:
        db.execute(f"UPDATE recommendation SET id = id + {big}")
        assert db.count(model_id) == 4


def test_many_rows_are_written_in_few_statements(db):
    names = [str(number) for number in range(200)]
    ids = db.articles(*names)
    frame = pd.DataFrame(
        [(source, rank, ids[names[-rank]], 1 / rank) for source in names for rank in range(1, 21)],
        columns=["source", "rank", "article_id", "score"],
    )
    model_id, statements = db.model(), []
    event.listen(db.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    recommendations.write(db.engine, model_id, frame, NOON)
    assert sum(each.startswith("INSERT") for each in statements) <= 4
    found = recommendations.read_lists(db.engine, model_id)
    expected = frame.assign(external_id=[names[-rank] for rank in frame["rank"]]).drop(columns="article_id")
    expected = expected.sort_values(["source", "rank"], ignore_index=True)[found.columns]
    pd.testing.assert_frame_equal(found, expected.assign(score=expected["score"].round(6)), check_dtype=False)
