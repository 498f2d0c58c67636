"""The demo's parts that need no platform."""

import io
import sqlite3
from contextlib import closing

import httpx
import pytest
from rich.console import Console

from deploy.demo import audience, posts, ratings
from deploy.demo import base as demo_base
from deploy.demo.client import DemoError, Platform
from deploy.demo.report import Produced, show
from include.core.errors import BadDataError
from include.ratings import base


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def text(console: Console) -> str:
    return console.file.getvalue()


def refuse():
    raise ConnectionError("no route")


def test_without_movielens_it_says_so_loudly_and_generates(home, monkeypatch):
    monkeypatch.delenv("MOVIELENS_100K", raising=False)
    monkeypatch.setattr(demo_base, "_fetch", refuse)
    shown = console()
    demo_base.provide(shown)
    assert "MovieLens 100K cannot be had" in text(shown)
    assert "generated ratings" in text(shown)
    assert base.stored_source(home / "data" / "ratings") == "generated"


def test_generated_data_give_way_to_the_real_ones(home, monkeypatch, small_data):
    root = home / "data" / "ratings"
    base.store(root, small_data, base.GENERATED)
    monkeypatch.delenv("MOVIELENS_100K", raising=False)
    monkeypatch.setattr(demo_base, "_fetch", lambda: (small_data + b"9\t9\t5\t9\n", "address"))
    demo_base.provide(console())
    assert base.stored_source(root) == "address"
    monkeypatch.setattr(demo_base, "_fetch", refuse)
    demo_base.provide(console())
    assert base.stored_source(root) == "address"


def test_a_wrong_copy_is_refused_not_replaced(home, tmp_path, monkeypatch):
    (tmp_path / "u.data").write_text("1\t1\t1\t1\n")
    monkeypatch.setenv("MOVIELENS_100K", str(tmp_path))
    with pytest.raises(BadDataError, match=r"u\.data is not the file"):
        demo_base.provide(console())


@pytest.fixture
def small_data() -> bytes:
    return b"1\t1\t5\t1\n"


@pytest.mark.parametrize("answer", ["", "233 346 4.0\n", "233 346 4.0\n125 378 9.0\nnobody 346 3.0\n"])
def test_a_wrong_answer_is_not_taken_for_right(answer):
    with pytest.raises(DemoError):
        ratings._check_lines(answer)


def test_what_does_not_come_is_told():
    platform = Platform("http://127.0.0.1:9")
    with pytest.raises(DemoError, match="the answer: nothing after 0 s"):
        platform.wait(lambda: None, 0, "the answer")
    with pytest.raises(DemoError, match="answered 404: no such thing"):
        platform._checked(httpx.Response(404, text="no such thing", request=httpx.Request("GET", "http://x/y")))


def test_the_table_says_what_where_how_long_and_where_to_look():
    shown = console()
    show(shown, "http://h:1", [Produced("ratings", "a [model]", "ratings/models/1.json", 1.23, "/ratings/models")])
    for part in ("a [model]", "ratings/models/1.json", "1.2", "http://h:1/ratings/models"):
        assert part in text(shown)


def source_rows(home, statement: str = "SELECT count(*) FROM ts_page_content") -> int:
    with closing(sqlite3.connect(home / "data/audience/wh_demo.db")) as connection:
        return connection.execute(statement).fetchone()[0]


def test_the_demos_posts_are_made_once(home):
    posts.provide(console())
    assert source_rows(home) == posts.ROWS
    before = (home / "data/audience/wh_demo.db").stat().st_mtime_ns
    posts.provide(console())
    assert (home / "data/audience/wh_demo.db").stat().st_mtime_ns == before
    received = source_rows(
        home,
        "SELECT count(*) FROM ts_page_content WHERE author IS NOT NULL AND s_id IS NOT NULL"
        " AND post_time BETWEEN '2020-01-01 00:00:00' AND '2021-01-01 00:00:00'",
    )
    assert posts.expected() == received


def test_a_table_of_others_is_left_alone(home):
    (home / "data/audience").mkdir(parents=True)
    with closing(sqlite3.connect(home / "data/audience/wh_demo.db")) as connection:
        connection.execute("CREATE TABLE ts_page_content (id TEXT)")
        connection.execute("INSERT INTO ts_page_content VALUES ('theirs')")
        connection.commit()
    posts.provide(console())
    assert posts.main(["--rows", "10"]) == 1
    assert source_rows(home) == 1


def test_a_source_of_any_size_is_made_on_demand(home):
    assert posts.main(["--rows", "123"]) == 0
    assert source_rows(home) == 123


def test_a_server_of_the_users_is_left_alone(home, monkeypatch):
    monkeypatch.setenv("INPUT_HOST", "db.example")
    shown = console()
    posts.provide(shown)
    assert "leaves audience labeling out" in text(shown)
    assert not (home / "data").exists()


def test_figures_are_read_from_the_lists():
    state = {"result": "a,b", "length_prod_table": "2,30", "uniq_source_author": "4,60", "rate_of_label": "50.0,50.1"}
    assert audience._figures(state) == [("b", 30, 60, "50.1"), ("a", 2, 4, "50.0")]
    single = {"result": "a", "length_prod_table": 2, "uniq_source_author": "4", "rate_of_label": "50.0"}
    assert audience._figures(single) == [("a", 2, 4, "50.0")]
    nothing = {"result": "", "length_prod_table": 0, "uniq_source_author": None, "rate_of_label": None}
    assert audience._figures(nothing) == []


def test_an_error_of_the_audience_api_is_told():
    with pytest.raises(DemoError, match="answered 503: no database"):
        audience._answer({"error_code": 503, "error_message": "no database"})
