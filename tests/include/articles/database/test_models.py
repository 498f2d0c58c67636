"""The models of a run: opened, failed, promoted, overtaken, cleaned up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from include.articles.database import models, recommendations
from include.articles.database.models import NoRecommendationsError, ShrunkError
from include.articles.database.status import ModelStatusError
from include.core.database.engine import open_engine
from tests.include.articles.database.conftest import NOON, SITE, hours

OTHER = "texas-tribune"


def test_a_run_opens_a_model_of_each_type(db):
    found = models.open_models(db.engine, SITE, "run", ["popularity", "article"], NOON, hours(1))
    assert list(found) == ["popularity", "article"]
    model = models.read(db.engine, found["article"])
    assert model == models.Model(
        found["article"], SITE, "article", models.Status.PENDING, NOON, "run", None, hours(1), hours(1)
    )
    with pytest.raises(ModelStatusError, match="there is no model 987654321"):
        models.read(db.engine, 987654321)


def test_another_try_uses_and_empties_the_same_pending_model(db):
    model_id = db.filled("run")
    models.note_error(db.engine, SITE, "run", "the first try's")
    again = models.open_models(db.engine, SITE, "run", ["article"], hours(1), hours(2))["article"]
    assert again == model_id
    assert db.count(model_id) == 0
    model = models.read(db.engine, model_id)
    assert (model.status, model.error, model.data_as_of) == ("pending", None, hours(1))
    assert (model.created_at, model.updated_at) == (NOON, hours(2))
    assert db.statuses() == {model_id: "pending"}


@pytest.mark.parametrize("rows", [0, 1, 3, 4])
def test_a_run_that_is_cleared_gets_a_new_model_for_the_failed_one(db, monkeypatch, rows):
    monkeypatch.setattr(models, "PART_ROWS", 2)
    monkeypatch.setattr(recommendations, "PART_ROWS", 2)
    model_id = db.model()
    recommendations.write(db.engine, model_id, db.lists("ab").iloc[:rows], NOON)
    models.fail(db.engine, SITE, "run", "why", NOON)
    again = db.model("run")
    assert again > model_id  # a number is not given twice
    assert db.statuses() == {again: "pending"}
    assert db.rows("SELECT count(*) FROM recommendation") == [(0,)]


@pytest.mark.parametrize("status", ["current", "stale"])
def test_a_run_that_is_cleared_keeps_a_model_that_was_promoted(db, status):
    model_id = db.filled("run")
    models.promote(db.engine, model_id, NOON)
    db.execute("UPDATE model SET status = :status", status=status)
    assert db.model("run") == model_id
    assert db.count(model_id) == 4
    assert db.statuses() == {model_id: status}


def test_the_same_run_of_two_sites_has_two_models(db):
    assert db.model("run") != db.model("run", site=OTHER)


def test_a_run_that_is_opened_twice_at_once_has_one_model(db):
    start = Barrier(4)

    def open_one(_: int) -> int:
        with open_engine(db.url) as engine:
            start.wait()
            return models.open_models(engine, SITE, "run", ["article"], NOON, NOON)["article"]

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(open_one, range(4)))) == 1
    assert len(db.statuses()) == 1


def test_only_the_runs_own_pending_models_fail(db):
    done, pending = db.filled("run", type="popularity"), db.filled("run")
    others = [db.filled("other"), db.filled("run", site=OTHER)]
    models.promote(db.engine, done, NOON)
    models.fail(db.engine, SITE, "run", "why", hours(1))
    assert db.statuses() == {done: "current", pending: "failed", others[0]: "pending", others[1]: "pending"}
    failed = models.read(db.engine, pending)
    assert (failed.error, failed.updated_at) == ("why", hours(1))
    assert models.read(db.engine, done).error is None


def test_the_text_of_an_error_is_kept_and_bounded(db):
    model_id = db.model()
    models.note_error(db.engine, SITE, "run", "a\0b\ud800" + "x" * 10_000)
    assert models.read(db.engine, model_id).error == "ab?" + "x" * 3_997
    assert db.status(model_id) == "pending"
    models.fail(db.engine, SITE, "run", "", hours(1))
    assert models.read(db.engine, model_id).error == "ab?" + "x" * 3_997


def test_a_model_takes_the_place_of_the_current_one(db):
    assert models.current(db.engine, SITE, "article") is None
    old, new = db.filled("old"), db.filled("new", hours(2))
    models.note_error(db.engine, SITE, "new", "of a try before")
    assert models.promote(db.engine, old, hours(1)) == "current"
    assert models.promote(db.engine, new, hours(3)) == "current"
    assert db.statuses() == {old: "stale", new: "current"}
    current = models.current(db.engine, SITE, "article")
    assert (current.id, current.error, current.updated_at) == (new, None, hours(3))
    assert models.read(db.engine, old).updated_at == hours(3)


def test_a_promotion_may_be_repeated(db):
    old, new = db.filled("old"), db.filled("new", hours(2))
    for model_id, expected in ((old, "current"), (old, "current"), (new, "current"), (old, "stale"), (new, "current")):
        assert models.promote(db.engine, model_id, hours(3), max_shrink=0.1) == expected
    assert models.current(db.engine, SITE, "article").updated_at == hours(3)


def test_a_run_that_was_overtaken_becomes_stale(db):
    old, new = db.filled("old"), db.filled("new", hours(2), sources="abcdefgh")
    models.promote(db.engine, new, hours(2))
    assert models.promote(db.engine, old, hours(3), max_shrink=0.1) == "stale"
    assert db.statuses() == {old: "stale", new: "current"}
    assert models.read(db.engine, old).updated_at == hours(3)
    assert models.read(db.engine, new).updated_at == hours(2)


def test_a_model_of_the_future_is_overtaken_by_those_of_today(db):
    today, early, late = db.filled("today", hours(2)), db.filled("early", hours(2.05)), db.filled("late", hours(7_000))
    assert models.promote(db.engine, late, hours(2)) == "current"
    assert models.promote(db.engine, early, hours(2)) == "current"
    assert models.promote(db.engine, today, hours(2)) == "stale"  # three minutes ahead: a clock that differs
    assert db.statuses() == {today: "stale", early: "current", late: "stale"}


def test_another_run_of_the_same_instant_takes_the_place(db):
    one, two = db.filled("one"), db.filled("two")
    models.promote(db.engine, one, NOON)
    assert models.promote(db.engine, two, NOON) == "current"
    assert db.statuses() == {one: "stale", two: "current"}


def test_sites_and_types_do_not_touch_each_other(db):
    ids = [
        db.filled("run", type=type, site=site) for site in (SITE, OTHER) for type in ("article", "popularity", "user")
    ]
    for model_id in ids:
        assert models.promote(db.engine, model_id, NOON) == "current"
    assert set(db.statuses().values()) == {"current"}
    assert [models.current(db.engine, SITE, type).id for type in ("article", "popularity", "user")] == ids[:3]


def test_a_model_without_recommendations_is_not_served(db):
    old, new = db.filled("old"), db.model("new", hours(2))
    models.promote(db.engine, old, NOON)
    with pytest.raises(NoRecommendationsError, match=f"model {new} .* has no recommendation"):
        models.promote(db.engine, new, hours(2))
    assert db.statuses() == {old: "current", new: "pending"}


def test_a_model_that_failed_is_not_served(db):
    model_id = db.filled("run")
    models.fail(db.engine, SITE, "run", "why", NOON)
    with pytest.raises(ModelStatusError, match=f"model {model_id} has failed"):
        models.promote(db.engine, model_id, NOON)
    with pytest.raises(ModelStatusError, match="there is no model 987654321"):
        models.promote(db.engine, 987654321, NOON)


@pytest.mark.parametrize(
    ("sources", "max_shrink", "refused"),
    [
        ("abcdefghi", 0.1, False),
        ("abcdefgh", 0.1, True),
        ("abcdefgh", 0.2, False),
        ("abcdefgh", None, False),
        ("a", 0.9, False),
        ("a", 1.0, False),
        ("abcdefghijkl", 0.01, False),
    ],
)
def test_a_model_that_lost_too_many_sources_is_refused(db, sources, max_shrink, refused):
    old, new = db.filled("old", sources="abcdefghij"), db.filled("new", hours(2), sources=sources)
    models.promote(db.engine, old, NOON, max_shrink)
    if refused:
        with pytest.raises(ShrunkError, match=rf"{new} has 8 sources, the current one 10; .*ARTICLE_RECS_MAX_SHRINK"):
            models.promote(db.engine, new, hours(2), max_shrink)
        assert db.statuses() == {old: "current", new: "pending"}
    else:
        assert models.promote(db.engine, new, hours(2), max_shrink) == "current"


def test_the_database_has_one_current_model_of_a_site_and_type(db):
    db.filled("one")
    db.filled("two")
    with pytest.raises(IntegrityError):
        db.execute("UPDATE model SET status = 'current'")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([0, 1, 2, 2, 3]))
def test_in_whatever_order_the_newest_run_is_served_in_the_end(db, order):
    db.execute("DELETE FROM model")
    ids = [db.filled(str(place), hours(at), sources="a") for place, at in enumerate(order)]
    for model_id in ids:
        models.promote(db.engine, model_id, hours(9))
    assert models.current(db.engine, SITE, "article").data_as_of == hours(3)
    assert sorted(db.statuses().values()) == ["current", *["stale"] * 4]


@pytest.mark.parametrize("first", [False, True])
def test_runs_that_promote_at_once_leave_the_newest(db, first):
    ids = [] if first else [db.filled("before", hours(-2))]
    ids += [db.filled(str(number), hours(number), sources="a") for number in range(4)]
    if not first:
        models.promote(db.engine, ids[0], NOON)
    start = Barrier(len(ids))

    def promote(model_id: int) -> str:
        with open_engine(db.url) as engine:
            start.wait()
            return models.promote(engine, model_id, hours(5))

    with ThreadPoolExecutor(len(ids)) as pool:
        answers = dict(zip(ids, pool.map(promote, ids), strict=True))
    assert answers[ids[-1]] == "current"
    assert models.current(db.engine, SITE, "article").id == ids[-1]
    assert sorted(db.statuses().values()) == ["current", *["stale"] * (len(ids) - 1)]


class CrashError(Exception):
    """The process is gone."""


def test_a_crash_anywhere_in_a_promotion_leaves_the_old_model_served(db):
    old, new = db.filled("old"), db.filled("new", hours(2), sources="abc")
    models.promote(db.engine, old, NOON)
    before = db.rows("SELECT * FROM model ORDER BY id")
    crashed, at = 0, 0

    def crash(*_: object) -> None:
        nonlocal at
        at -= 1
        if at == 0:
            raise CrashError

    for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
        for number in range(1, 20):
            at = number
            event.listen(db.engine, moment, crash)
            try:
                models.promote(db.engine, new, hours(3), max_shrink=0.5)
            except CrashError:
                crashed += 1
                at = 0
                assert db.rows("SELECT * FROM model ORDER BY id") == before
                assert models.current(db.engine, SITE, "article").id == old
                assert (db.count(old), db.count(new)) == (4, 6)
            else:
                break
            finally:
                event.remove(db.engine, moment, crash)
        assert db.statuses() == {old: "stale", new: "current"}
        db.execute("UPDATE model SET status = 'pending', updated_at = created_at WHERE id = :id", id=new)
        db.execute("UPDATE model SET status = 'current', updated_at = created_at WHERE id = :id", id=old)
    assert crashed >= 15


def aged(db, run: str, days: float, status: str, type: str = "article", site: str = SITE) -> int:
    """Build a model with four recommendations whose status is this many days old."""
    model_id = db.filled(run, NOON - timedelta(days=days), type, site)
    db.execute("UPDATE model SET status = :status WHERE id = :id", status=status, id=model_id)
    return model_id


def test_the_current_and_the_newest_stale_models_are_kept(db):
    stale = [aged(db, f"stale {days}", days, "stale") for days in (5, 4, 3, 2)]
    kept = [aged(db, "current", 6, "current"), *stale[2:]]
    kept += [aged(db, f"{site} {type}", 9, "stale", type, site) for site, type in ((SITE, "user"), (OTHER, "article"))]
    articles = db.rows("SELECT * FROM article ORDER BY id")
    assert models.clean_up(db.engine, SITE, 2, NOON) == {"models": 2, "recommendations": 8}
    assert sorted(db.statuses()) == sorted(kept)
    assert {db.count(model_id) for model_id in kept} == {4}
    assert models.clean_up(db.engine, SITE, 2, NOON) == {"models": 0, "recommendations": 0}
    assert db.rows("SELECT * FROM article ORDER BY id") == articles


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_what_was_left_behind_is_deleted_after_a_day(db, status):
    old, young = aged(db, "old", 1.01, status), aged(db, "young", 0.99, status)
    assert models.clean_up(db.engine, SITE, 2, NOON)["models"] == 1
    assert db.statuses() == {young: status}
    assert db.count(old) == 0


def test_a_pending_model_that_was_taken_up_again_is_kept(db):
    model_id = db.model("run", NOON - timedelta(days=3))
    models.open_models(db.engine, SITE, "run", ["article"], NOON - timedelta(days=3), hours(-1))
    models.clean_up(db.engine, SITE, 0, NOON)
    assert db.statuses() == {model_id: "pending"}


def test_three_models_are_deleted_at_a_time_the_oldest_first(db, monkeypatch):
    monkeypatch.setattr(recommendations, "PART_ROWS", 2)
    monkeypatch.setattr(models, "PART_ROWS", 2)
    ids = [
        aged(db, str(days), days, status)
        for days, status in ((9, "failed"), (8, "stale"), (7, "pending"), (6, "stale"))
    ]
    assert models.clean_up(db.engine, SITE, 0, NOON) == {"models": 3, "recommendations": 12}
    assert list(db.statuses()) == ids[3:]


def test_recommendations_are_deleted_in_parts_before_their_model(db, monkeypatch):
    monkeypatch.setattr(recommendations, "PART_ROWS", 3)
    monkeypatch.setattr(models, "PART_ROWS", 3)
    model_id = aged(db, "old", 5, "pending")
    commits = 0

    def crash(_: object) -> None:
        nonlocal commits
        commits += 1
        if commits == 3:
            raise CrashError

    event.listen(db.engine, "commit", crash)
    with pytest.raises(CrashError):
        models.clean_up(db.engine, SITE, 0, NOON)
    event.remove(db.engine, "commit", crash)
    assert db.count(model_id) == 1
    with pytest.raises(ModelStatusError):  # what is half deleted cannot be served
        models.promote(db.engine, model_id, NOON)
    models.clean_up(db.engine, SITE, 0, NOON)
    assert db.statuses() == {}


def test_a_model_that_is_promoted_meanwhile_is_not_deleted(db, monkeypatch):
    model_id = aged(db, "slow", 2, "pending")
    delete = models._delete

    def promoted_first(*given: object) -> int | None:
        models.promote(db.engine, model_id, NOON)
        return delete(*given)

    monkeypatch.setattr(models, "_delete", promoted_first)
    assert models.clean_up(db.engine, SITE, 0, NOON) == {"models": 0, "recommendations": 0}
    assert db.statuses() == {model_id: "current"}
    assert db.count(model_id) == 4


def test_cleaning_and_promoting_at_once_keep_the_served_model_whole(db):
    ids = [db.filled(str(number), hours(number)) for number in range(8)]
    served = (
        "SELECT count(recommendation.id) FROM model JOIN recommendation ON model.id = model_id"
        " WHERE status = 'current' GROUP BY model.id"
    )
    seen = set()

    def promote() -> None:
        with open_engine(db.url) as engine:
            for model_id in ids[1:]:
                models.promote(engine, model_id, hours(20))

    def clean() -> None:
        with open_engine(db.url) as engine:
            for _ in ids:
                models.clean_up(engine, SITE, 0, hours(20))
                with engine.connect() as connection:
                    seen.update(connection.scalars(text(served)))

    with open_engine(db.url) as engine:  # so that there is one to see from the first look on
        models.promote(engine, ids[0], hours(20))
    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(promote), pool.submit(clean), pool.submit(clean)]:
            each.result()
    assert seen == {4}
    assert db.status(ids[-1]) == "current"
    assert db.count(ids[-1]) == 4
