"""Preparation of a platform with its own servers."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from deploy.production import health, init, mlflow_server, reach
from deploy.production.prepare import articles as prepare_articles
from deploy.production.prepare import audience as prepare_audience
from include.audience.settings import AudienceSettings
from tests.support.services import MARIADB

PASSWORD, CRAWLERS = "ours-1", "theirs_2"


@contextmanager
def airflow(status: int, body: bytes) -> Iterator[str]:
    """Serve answers like the API server's; yield the address of its execution API."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/api/v2/monitor/health" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/execution/"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (200, {"triggerer": {"status": "healthy"}}, 0, "triggerer: healthy"),
        (200, {"triggerer": {"status": "unhealthy"}}, 1, "unhealthy"),
        (200, {}, 1, "KeyError"),
        (500, {}, 1, "answered 500"),
    ],
)
def test_the_status_of_a_component_is_the_one_airflow_reports(monkeypatch, capsys, status, body, code, said):
    with airflow(status, json.dumps(body).encode()) as address:
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", address)
        assert health.main("triggerer") == code
    assert said in capsys.readouterr().out


def test_a_component_is_not_healthy_when_airflow_does_not_answer(monkeypatch):
    with airflow(200, b"") as address:
        pass
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", address)
    assert health.main("triggerer") == 1


@pytest.fixture
def audience(mariadb: URL) -> Iterator[AudienceSettings]:
    """Yield settings with schemas and a user that do not exist yet."""
    name = mariadb.database or ""
    settings = AudienceSettings(
        **{
            **{f"{side}_host": mariadb.host for side in ("input", "output")},
            **{f"{side}_port": mariadb.port or 3306 for side in ("input", "output")},
            **{f"{side}_user": f"u{name[-20:]}" for side in ("input", "output")},
            **{f"{side}_password": SecretStr(PASSWORD) for side in ("input", "output")},
            **{"input_schema": f"{name}_in", "output_schema": f"{name}_out"},
        }
    )
    yield settings
    engine = create_engine(make_url(MARIADB))
    with engine.connect() as connection:
        for schema in (f"{name}_in", f"{name}_out"):
            connection.execute(text(f"DROP DATABASE IF EXISTS {schema}"))
        for user in (settings.output_user, f"c{name[-20:]}"):
            connection.execute(text(f"DROP USER IF EXISTS {user}@'%'"))
    engine.dispose()


def execute(url: URL, statement: str) -> None:
    """Execute one statement as a user."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def prepare(monkeypatch: pytest.MonkeyPatch, audience: AudienceSettings, crawlers: str = CRAWLERS) -> str:
    """Create schemas and accounts as on our own server; return the crawler's name."""
    crawler = f"c{audience.output_user[1:]}"
    monkeypatch.setattr(prepare_audience, "CRAWLER", crawler)
    monkeypatch.setenv("MARIADB_ROOT_PASSWORD", make_url(MARIADB).password or "")
    monkeypatch.setenv("AUDIENCE_SOURCE_PASSWORD", crawlers)
    monkeypatch.setattr(prepare_audience, "required", lambda variable: os.environ[variable])  # root's is empty here
    prepare_audience._audience_accounts(audience)
    return crawler


def test_the_platform_reads_the_source_and_owns_the_results(audience: AudienceSettings, monkeypatch):
    prepare(monkeypatch, audience)
    crawler = prepare(monkeypatch, audience, "changed")  # all is there
    source, results = audience.source_url(audience.input_schema), audience.result_url(audience.output_schema)
    theirs = source.set(username=crawler, password="changed")
    execute(results, "CREATE TABLE state (id int)")
    execute(theirs, "CREATE TABLE posts (id int)")
    execute(source, "SELECT * FROM posts")
    with pytest.raises(OperationalError, match="denied"):
        execute(source, "INSERT INTO posts VALUES (1)")
    with pytest.raises(OperationalError, match="denied"):
        execute(theirs.set(password=CRAWLERS), "SELECT 1")
    with pytest.raises(OperationalError, match="denied"):
        execute(results.set(username=crawler, password="changed"), "SELECT * FROM state")


def test_a_grant_covers_no_schema_of_a_similar_name(audience: AudienceSettings, monkeypatch):
    prepare(monkeypatch, audience)
    similar = audience.output_schema.replace("_", "x", 1)
    execute(make_url(MARIADB), f"CREATE DATABASE {similar}")
    try:
        with pytest.raises(OperationalError, match="denied"):
            execute(audience.result_url(similar), "SELECT 1")
    finally:
        execute(make_url(MARIADB), f"DROP DATABASE {similar}")


def test_a_missing_variable_is_reported_and_ends_the_preparation(monkeypatch, caplog):
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    monkeypatch.setattr(init, "steps", lambda: {"Airflow's database": init.airflow_database})
    with caplog.at_level("INFO"):
        assert init.main() == 1
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN is not set" in caplog.text


def test_a_password_that_cannot_be_in_an_address_is_named_first(monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW_DB_PASSWORD", "my@hush/hush")
    monkeypatch.setattr(init, "steps", lambda: {"never": lambda: pytest.fail("it was tried")})
    assert init.main() == 1
    assert "AIRFLOW_DB_PASSWORD has characters that cannot be part of an address" in caplog.text
    assert "hush" not in caplog.text


def test_a_wrong_password_is_reported_without_it(monkeypatch, caplog, postgres: URL):
    wrong = postgres.set(username="nobody_of_quartet", password="s3cr3t")
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", wrong.render_as_string(hide_password=False))
    monkeypatch.setattr(init, "steps", lambda: prepare_articles.STEPS)
    monkeypatch.setattr(reach, "PATIENCE_SECONDS", 0)
    with caplog.at_level("INFO"):
        assert init.main() == 1
    assert "nobody_of_quartet" in caplog.text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_server_that_does_not_answer_yet_is_waited_for(monkeypatch, driver: str, postgres: URL):
    looks = []

    def look_away(url: URL) -> URL:
        looks.append(url)
        return postgres if len(looks) > 2 else url

    monkeypatch.setattr(reach, "open_engine", lambda url, real=reach.open_engine: real(look_away(url)))
    nobody = postgres.set(drivername=f"postgresql+{driver}", port=1)
    reach.reach(nobody)
    assert len(looks) == 3


def test_the_articles_database_is_created_and_the_step_repeated(monkeypatch, caplog, postgres: URL):
    url = postgres.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", url)
    monkeypatch.setattr(init, "steps", lambda: prepare_articles.STEPS)
    with caplog.at_level("INFO"):
        assert (init.main(), init.main()) == (0, 0)
    assert "everything is ready" in caplog.text
    execute(postgres, "SELECT count(*) FROM model")


def test_a_missing_bucket_is_created_once(s3_storage: str, monkeypatch):
    monkeypatch.setenv("QUARTET_STORAGE", s3_storage.replace("bucket-", "another-"))
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    for _ in range(2):
        init.storage()
    assert S3Hook("quartet_storage").check_for_bucket(s3_storage.split("/")[2].replace("bucket-", "another-"))


def test_mlflow_finds_the_credentials_of_a_role_itself(monkeypatch):
    role = {"AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    monkeypatch.setattr(mlflow_server.StorageHook, "environment", lambda _: role)
    assert mlflow_server.credentials() == {"AWS_REGION": "r"}


def test_mlflow_serves_the_storage_with_its_credentials(s3_storage: str, monkeypatch):
    became = {}
    monkeypatch.setattr(mlflow_server.os, "execve", lambda path, line, env: became.update(line=line, env=env))
    mlflow_server.main()
    assert became["line"][:4] == [sys.executable, "-m", "mlflow", "server"]
    assert became["line"][-1] == f"{s3_storage}/mlflow"
    assert became["env"]["AWS_ACCESS_KEY_ID"] == "id"
