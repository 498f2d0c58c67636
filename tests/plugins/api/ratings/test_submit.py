"""`/train` and `/predict`: one request, one file, durable before the answer."""

import errno
import json
import os
import threading
from datetime import UTC, datetime

import pytest

from include.ratings.data import landing
from include.ratings.data.file_names import is_issued
from tests.plugins.api.ratings.examples import PREDICTION


def test_ratings_become_a_file_of_normalised_lines(client, root):
    answered = client.post("/train", json={"data": ["244 346 2 880606923", " 244\t355  3 880606924 "]})
    assert answered.status_code == 200
    assert list(answered.json()) == ["filename"]
    assert is_issued(name := answered.json()["filename"], "train")
    assert (root / "training" / name).read_text() == "244 346 2 880606923\n244 355 3 880606924\n"


def test_pairs_become_a_file(client, root):
    name = client.post("/predict", json={"data": ["233 346"], "unknown": 1}).json()["filename"]
    assert is_issued(name, "predict")
    assert (root / "streaming" / name).read_text() == "233 346\n"


def test_simultaneous_requests_get_names_of_their_own(root, stored_files):
    now, found = datetime.now(UTC), []
    threads = [
        threading.Thread(target=lambda: found.append(landing.submit(root, "training", ["1 1 1 1"], now)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(stored_files()) == 20


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": {}},
        {"data": "244 346 2 880606923"},
        {"data": []},
        {"data": 7},
        [],
        "text",
        None,
        {"Data": ["1 1 1 1"]},
    ],
)
def test_a_body_without_a_list_of_rows_is_refused(client, stored_files, body):
    for path in ("/train", "/predict"):
        assert client.post(path, json=body).status_code == 422
    assert stored_files() == []


@pytest.mark.parametrize(
    "row", [1, None, [], {}, 1.5, True, "x", "1 1 9 1", "1 1 nan 1", "1 1 1", "a\nb 1 1 1", "\ud800 1 1 1"]
)
def test_one_bad_row_refuses_all_and_is_named(client, stored_files, row):
    content = json.dumps({"data": ["1 1 1 1", "1 2 1 1", row, "x"]}).encode()
    answered = client.post("/train", content=content, headers={"Content-Type": "application/json"})
    assert answered.status_code == 422
    assert answered.json()["errors"][0]["index"] == 2
    assert answered.json()["errors"][0]["reason"]
    assert stored_files() == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"data": ["1 1"', b"[" * 100_000, b'{"data": [1e400]}'])
def test_broken_json_is_refused(client, stored_files, content):
    answered = client.post("/predict", content=content, headers={"Content-Type": "application/json"})
    assert answered.status_code in (400, 413, 422)
    assert stored_files() == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(client, kind):
    assert client.post("/predict", content=b'{"data": ["1 1"]}', headers={"Content-Type": kind}).status_code == 422


def test_too_many_rows_and_too_large_bodies_are_refused(client, stored_files):
    assert client.post("/predict", json={"data": ["1 1"] * 501}).status_code in (413, 422)
    assert client.post("/predict", json={"data": ["1 1"] * 500}).status_code == 200
    assert client.post("/predict", content=b"x" * 100_001).status_code == 413
    assert client.post("/predict", content=iter([b"x" * 60_000] * 2)).status_code == 413
    assert len(stored_files()) == 1


def test_other_methods_are_refused(client):
    for path in ("/train", "/predict", "/result", "/rollback"):
        assert client.get(path).status_code == 405


def test_storage_that_is_not_available_is_503(client, home):
    (home / "data").write_text("a file where the folder should be")
    answered = client.post("/train", json={"data": ["1 1 1 1"]})
    assert answered.status_code == 503
    assert "storage" in answered.json()["detail"]
    assert client.post("/result", json={"filename": PREDICTION}).status_code in (200, 503)


def test_ratings_and_predictions_without_hard_links(client, platform, root, monkeypatch):
    def link(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    client.post("/train", json={"data": ["244 346 2 880606923"]})
    name = client.post("/predict", json={"data": ["244 346"]}).json()["filename"]
    assert platform.run()
    platform.predict()
    assert client.post("/result", json={"filename": name}).json()["ready"]
    assert [each["files"] for each in client.get("/commits").json()["commits"] if each["operation"] == "ingest"]
