"""The demo's parts that need no platform."""

import io

import httpx
import pytest
from rich.console import Console

from deploy.demo import base as demo_base
from deploy.demo import ratings
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
