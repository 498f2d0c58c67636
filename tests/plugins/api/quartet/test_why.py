"""Why a row is there, by HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from include.core.provenance import parse_row
from include.workflows import WORKFLOWS
from quartet.api.quartet.app import create_app
from tests.support.songs.made_day import make_day


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app()


@pytest.fixture
def client(app, signed_in, home: Path) -> Iterator[TestClient]:
    signed_in(app, "viewer")
    with TestClient(app) as client:
        yield client


def test_a_count_is_explained_down_to_the_download(client, home):
    make_day(home / "data" / "songs")
    answer = client.get("/why", params={"row": "quartet://songs/2019-02-08/counts/90210/Family", "depth": 2})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["value"], found["made_by"]["run"]) == (3, "manual__1")
    assert [each["kind"] for each in found["from"]] == ["spin"] * 3 + ["listener"] * 2
    assert [each["why"]["made_by"]["task"] for each in found["from"] if "why" in each] == ["spins"] * 3


def test_the_forms_of_others_have_the_same_rows(client, home):
    make_day(home / "data" / "songs")
    row = "quartet://songs/2019-02-08/dataset/1"
    prov = client.get("/why", params={"row": row, "depth": 2, "format": "prov"}).json()
    assert "row:songs/2019-02-08/dataset/1" in prov["entity"]
    events = client.get("/why", params={"row": row, "depth": 2, "format": "openlineage"}).json()
    assert [event["job"]["name"] for event in events] == ["song_plays.duckdb", "song_plays.spins"]
    assert client.get("/why", params={"row": row, "format": "xml"}).status_code == 422


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ("quartet://songs/2019-02-08/dataset/1", 404),
        ("quartet://songs/2019-02-08/counts//", 404),
        ("quartet://songs/yesterday/dataset/1", 404),
        ("quartet://songs/2019-02-08", 422),
        ("quartet://parcels/1", 422),
        ("/songs/2019-02-08/dataset/1", 422),
        ("", 422),
    ],
)
def test_other_rows_are_not_found_or_invalid(client, home, row, status):
    answer = client.get("/why", params={"row": row})
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_each_kind_of_rows_is_listed_with_a_pattern_that_is_one(client):
    found = client.get("/rows").json()["kinds"]
    assert len(found) == sum(len(workflow.rows) for workflow in WORKFLOWS)
    assert all(parse_row(kind["row"]) for kind in found)
