"""The database of the articles API: missing, unreachable, on PostgreSQL."""

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import EndpointConnectionError
from fastapi.testclient import TestClient

from include.articles.database.tables import METADATA
from include.core.database.engine import open_engine
from quartet.api.articles.app import create_app
from tests.plugins.api.articles.responses import message, results, targets
from tests.support.serving_rows import Rows


def test_before_the_first_run_the_answer_says_what_to_do(client, file, clock):
    expected = "there are no recommendations yet: run the DAG article_recs__washington_city_paper"
    assert message(client.get("/recs"), 503) == expected  # no file
    for path in ("/", "/health"):
        assert message(client.get(path), 500) == expected
    with open_engine(file) as engine:
        with engine.connect():
            pass
        assert message(client.get("/models"), 503) == expected  # no tables
        METADATA.create_all(engine)
        assert client.get("/health").text == "OK"
        assert results(client.get("/recs")) == []


def test_a_server_that_does_not_answer_is_told_without_its_address(home, monkeypatch, caplog, clock, postgres):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", "postgresql://someone:s3cret@127.0.0.1:1/articles")
    with TestClient(create_app(clock)) as client:
        answer = client.get("/recs")
        assert message(answer, 503) == "the database of recommendations is not available"
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert message(client.get("/health"), 500) == "the database of recommendations is not available"
        assert "Connection refused" in caplog.text
        assert "s3cret" not in caplog.text
        # the next request looks the connection up again
        monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", postgres.render_as_string(hide_password=False))
        with open_engine(postgres) as engine:
            METADATA.create_all(engine)
        assert client.get("/health").text == "OK"


def test_a_connection_that_cannot_be_looked_up_is_told(client, filled, monkeypatch):
    def look(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://secrets.example")

    backends = "airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded"
    with monkeypatch.context() as patch:
        patch.setattr(backends, lambda: [SimpleNamespace(get_connection=look)])
        assert message(client.get("/recs"), 503) == "the database of recommendations is not available"
    assert client.get("/health").text == "OK"


def test_postgresql_answers_the_same(home, monkeypatch, clock, postgres):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", postgres.render_as_string(hide_password=False))
    with TestClient(create_app(clock)) as client:
        assert message(client.get("/recs"), 503).startswith("there are no recommendations yet: run the DAG")
        with open_engine(postgres) as engine:
            METADATA.create_all(engine)
            rows = Rows(engine)
            model, target = rows.model(id=2**40), rows.article("é1")
            rows.recommend(model, "10", [target])
            with engine.connect() as connection:  # whatever the server has open is closed
                own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
                assert targets(client.get("/recs?source_entity_id=10&sort_by=score&exclude=10")) == ["é1"]
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = current_database() AND pid <> {own}"
                )
        assert targets(client.get(f"/recs?model_id={2**40}")) == ["é1"]
        for query in ("source_entity_id=%00", "site=%00", "model_type=%00", "exclude=%00", "sort_by=%00"):
            assert client.get(f"/recs?{query}").status_code == 200
        assert client.get("/models?type=%00&size=1").status_code == 200
        assert message(client.get("/models/%00/articles"), 404)
        assert message(client.get(f"/recs?model_id={2**63}"), 400)
