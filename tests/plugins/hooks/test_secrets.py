"""Connections and Variables from AWS SSM Parameter Store, against a moto server."""

import json
import re
from collections.abc import Callable, Iterator

import boto3
import pytest
from airflow.sdk import Variable
from airflow.sdk.configuration import clear_secrets_backends_cache
from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import ClientError, EndpointConnectionError

from include.core.settings import ROOT
from quartet.hooks.database import DatabaseHook
from quartet.hooks.storage import StorageHook

DOCUMENTED = dict(re.findall(r"^(AIRFLOW__SECRETS__\w+)='(.+)'$", (ROOT / "docs/secrets.md").read_text(), re.MULTILINE))
"""The settings that docs/secrets.md recommends."""


@pytest.fixture
def store(s3_server: str, monkeypatch: pytest.MonkeyPatch, home) -> Iterator[Callable[[str, str], None]]:
    """Have Airflow read Parameter Store; yield a function that stores a secret there."""
    for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    for name, value in DOCUMENTED.items():
        monkeypatch.setenv(name, value)
    clear_secrets_backends_cache()
    client, names = boto3.client("ssm"), []

    def put(name: str, value: str) -> None:
        client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        names.append(name)

    yield put
    for name in names:
        client.delete_parameter(Name=name)
    clear_secrets_backends_cache()


def test_a_database_is_found(store):
    connection = {
        "conn_type": "postgres",
        "host": "db.internal",
        "port": 5433,
        "login": "articles",
        "password": "pass word/ü",
        "schema": "articles",
        "extra": {"sslmode": "require"},
    }
    store("/airflow/connections/quartet_articles", json.dumps(connection))
    url = DatabaseHook("quartet_articles").url
    assert url.password == "pass word/ü"
    assert str(url) == "postgresql+psycopg2://articles:***@db.internal:5433/articles?sslmode=require"


def test_a_database_may_be_given_as_a_url(store):
    store("/airflow/connections/quartet_articles", "postgresql://articles:secret@db:5432/articles")
    url = DatabaseHook("quartet_articles").url
    assert url.render_as_string(hide_password=False) == "postgresql+psycopg2://articles:secret@db:5432/articles"


def test_the_storage_is_found(store, monkeypatch, s3_server):
    extra = {"endpoint_url": s3_server, "region_name": "eu-central-1"}
    connection = {"conn_type": "aws", "login": "key", "password": "hidden", "extra": extra}
    store("/airflow/connections/quartet_storage", json.dumps(connection))
    monkeypatch.setenv("QUARTET_STORAGE", "s3://bucket/root")
    environment = StorageHook().environment()
    assert environment["AWS_ACCESS_KEY_ID"] == "key"
    assert environment["AWS_SECRET_ACCESS_KEY"] == "hidden"


def test_a_variable_is_found(store):
    store("/airflow/variables/article_recs", '{"max_recs": 10}')
    assert Variable.get("article_recs", deserialize_json=True) == {"max_recs": 10}


def test_the_environment_is_used_if_the_store_has_nothing(store, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_ARTICLES", "postgresql://environment/articles")
    assert DatabaseHook("quartet_articles").url.host == "environment"
    store("/airflow/connections/quartet_articles", "postgresql://store/articles")
    assert DatabaseHook("quartet_articles").url.host == "store"


def test_other_names_are_not_looked_up(store, monkeypatch):
    store("/airflow/connections/warehouse", "postgresql://db/warehouse")
    with pytest.raises(AirflowNotFoundException):
        _ = DatabaseHook("warehouse").url


def test_a_connection_missing_in_the_store_is_a_file(store, home):
    assert DatabaseHook("quartet_articles").url.database == str(home / "data/articles.db")


def test_an_unreachable_store_is_not_mistaken_for_an_empty_one(store, monkeypatch, home):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    clear_secrets_backends_cache()
    with pytest.raises(EndpointConnectionError):
        _ = DatabaseHook("quartet_articles").url
    assert list(home.iterdir()) == []


def test_a_store_that_denies_access_is_not_mistaken_for_an_empty_one(store, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetParameter")

    monkeypatch.setattr(f"{DOCUMENTED['AIRFLOW__SECRETS__BACKEND']}.get_conn_value", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        _ = DatabaseHook("quartet_articles").url
