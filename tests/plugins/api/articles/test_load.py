"""The articles API under load, and with a database that hangs: who is answered, and how soon."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import make_url

from include.articles.database import serving
from include.articles.database.tables import METADATA
from include.core.database.engine import open_engine
from quartet.api.articles import cache, reader
from quartet.api.articles.app import create_app
from tests.plugins.api.articles.responses import message, results, targets
from tests.support.serving_rows import OTHER, SITE


def test_sites_that_are_unknown_cost_no_query_each(client, filled, clock, queries):
    for site in ("nowhere", "", "%00", "é", "'", "x" * 5000, *[f"site-{number}" for number in range(50)]):
        assert results(client.get(f"/recs?site={site}&source_entity_id=10")) == []
        assert results(client.get(f"/models?site={site}")) == []
        assert message(client.get(f"/models/{filled['article']}/articles?site={site}"), 404)
    assert len(queries) == 1
    clock.now += 30
    client.get("/recs?site=nowhere")
    assert len(queries) == 2


def test_a_site_that_is_new_is_known_soon(client, rows, filled, clock):
    assert results(client.get("/recs?site=new-post")) == []
    rows.recommend(rows.model(site="new-post"), "1", [rows.article("2", site="new-post")])
    clock.now += 30
    assert targets(client.get("/recs?site=new-post")) == ["2"]
    assert targets(client.get(f"/recs?site={OTHER}&source_entity_id=10")) == ["20", "21", "22"]


def test_a_file_of_sites_that_cannot_be_read_takes_no_answers_away(home, filled):
    (home / "sites.yaml").write_text("[")
    with TestClient(create_app()) as client:
        assert targets(client.get("/recs?source_entity_id=10")) == ["20", "21", "22"]


def test_requests_that_nobody_repeats_drive_no_answers_out(client, filled, queries, monkeypatch):
    monkeypatch.setattr(cache, "MAX_ENTRIES", 100)
    monkeypatch.setattr(cache, "MAX_BYTES", 100 * 5_000)
    with TestClient(create_app()) as client:
        shared = [f"/recs?source_entity_id=10&size={size}" for size in range(1, 31)]
        for url in shared * 2:
            client.get(url)
        for number in range(300):
            client.get(f"/recs?source_entity_id=10&exclude={number}")
            client.get(f"/recs?source_entity_id=x{number}")
            client.get(f"/models?site={SITE}&type={number}")
        queries.clear()
        for url in shared:
            assert targets(client.get(url))
        assert queries == []
        client.get("/recs?source_entity_id=10&exclude=0")
        assert len(queries) == 1


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reads of recommendations wait until this is set."""
    opened, read = threading.Event(), serving.recommendations

    def wait(*arguments):
        opened.wait(20)
        return read(*arguments)

    monkeypatch.setattr(serving, "recommendations", wait)
    yield opened
    opened.set()


def test_more_than_some_do_not_wait_and_the_health_check_passes_them(client, filled, gate, monkeypatch):
    monkeypatch.setattr(reader, "MAX_WAITING", 3)
    monkeypatch.setattr(reader, "ANSWER_SECONDS", 60)  # however slow this machine is
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(client.get, f"/recs?source_entity_id={number}") for number in range(20)]
        while sum(each.done() for each in asked) < 12:
            time.sleep(0.01)
        began = time.monotonic()
        assert client.get("/health").text == "OK"
        assert time.monotonic() - began < 2
        gate.set()
        answers = [each.result() for each in asked]
    refused = [each for each in answers if each.status_code == 503]
    assert len(refused) == 12  # five are read, three wait
    assert {message(each, 503) for each in refused} == {"the database of recommendations is busy"}
    assert {each.headers["Retry-After"] for each in refused} == {"5"}


def test_a_read_that_takes_too_long_is_given_up(client, filled, gate, monkeypatch):
    monkeypatch.setattr(reader, "ANSWER_SECONDS", 0.2)
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(client.get, [f"/recs?source_entity_id={number}" for number in range(9)]))
    assert {message(each, 503) for each in answers} == {"the database of recommendations does not answer"}
    gate.set()
    assert targets(client.get("/recs?source_entity_id=10")) == ["20", "21", "22"]


def test_a_database_that_hangs_is_told_in_time(home, monkeypatch):
    assert reader.ANSWER_SECONDS < 10
    assert reader.PING_SECONDS < 10
    monkeypatch.setattr(reader, "ANSWER_SECONDS", 0.4)
    monkeypatch.setattr(reader, "PING_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://someone@127.0.0.1:{silent.getsockname()[1]}/articles?connect_timeout=2"
        monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", address)
        with TestClient(create_app()) as client:
            began = time.monotonic()
            assert message(client.get("/recs"), 503) == "the database of recommendations does not answer"
            for _ in range(3):
                assert message(client.get("/health"), 500) == "the database of recommendations does not answer"
            assert time.monotonic() - began < 1.9


def test_a_query_has_a_limit_on_postgresql(home, monkeypatch, postgres):
    monkeypatch.setattr(reader, "STATEMENT_SECONDS", 0.3)
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", postgres.render_as_string(hide_password=False))
    with open_engine(postgres) as engine:
        METADATA.create_all(engine)

    def sleep(engine, *_):
        with engine.connect() as connection:
            return connection.exec_driver_sql("SELECT pg_sleep(30)").all()

    monkeypatch.setattr(serving, "recommendations", sleep)
    with TestClient(create_app()) as client:
        began = time.monotonic()
        assert message(client.get("/recs"), 503) == "the database of recommendations took too long"
        assert time.monotonic() - began < 5
        assert client.get("/health").text == "OK"


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ("", "-c statement_timeout=5000"),
        ("?options=-c%20search_path%3Da", "-c search_path=a -c statement_timeout=5000"),
        ("?options=-c%20statement_timeout%3D1", "-c statement_timeout=1"),
    ],
)
def test_a_connection_may_have_options_of_its_own(given, options):
    url = reader.with_limits(make_url(f"postgresql+psycopg2://127.0.0.1/articles{given}"))
    assert url.query["options"] == options
    assert url.query["connect_timeout"] == "5"
    assert reader.with_limits(make_url("sqlite:///articles.db")) == make_url("sqlite:///articles.db")
    assert reader.with_limits(make_url("postgresql://h/d?connect_timeout=2")).query["connect_timeout"] == "2"
