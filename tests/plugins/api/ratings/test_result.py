"""`/result`: ready with the whole text, or not, or why not."""

import re

import pytest

from include.core.storage import read_bytes
from include.ratings.predictions import files
from tests.plugins.api.ratings.examples import PREDICTION


def test_a_prediction_goes_from_not_ready_to_ready(client, platform):
    name = client.post("/predict", json={"data": ["1 1", "nobody 1"]}).json()["filename"]
    assert client.post("/result", json={"filename": name}).json() == {"ready": False}
    platform.run()
    platform.predict()
    found = client.post("/result", json={"filename": name}).json()
    assert list(found) == ["ready", "data"]
    assert re.fullmatch(r"1 1 [0-9.]+\nnobody 1 [0-9.]+\n", found["data"])


def test_a_name_that_was_never_issued_is_not_ready(client):
    assert client.post("/result", json={"filename": PREDICTION}).json() == {"ready": False}
    assert client.get(f"/result/{PREDICTION}").json() == {"ready": False}


@pytest.mark.parametrize(
    "name",
    [
        "../champion.json",
        "/etc/passwd",
        f"{PREDICTION}\n",
        f"..%2F{PREDICTION}",
        f"..\\{PREDICTION}",
        f"1/{PREDICTION}",
        "predict-\0",
        "train-2019-05-09T16:33:25.613314.txt",
        "p" * 129,
        "",
        None,
        7,
        [PREDICTION],
    ],
)
def test_any_other_name_is_refused(client, name):
    assert client.post("/result", json={"filename": name}).status_code == 422
    assert client.post("/result", json={}).status_code == 422


def test_a_name_that_climbs_in_the_address_is_refused(client, root):
    root.mkdir(parents=True)
    (root / "champion.json").write_text("{}")
    for path in (f"/result/..%2f{PREDICTION}", "/result/..%2fchampion.json", "/result/%2e%2e%2fchampion.json"):
        assert client.get(path).status_code == 422


def test_a_refused_file_says_why(client, platform, root):
    platform.run()
    (root / "streaming").mkdir(exist_ok=True)
    (root / "streaming" / PREDICTION).write_text("rubbish\n")
    platform.predict()
    found = client.post("/result", json={"filename": PREDICTION}).json()
    assert found == {"ready": False, "error": "line 1: 2 fields (user movie) were expected, found 1"}


def test_an_older_answer_can_be_asked_for(client, platform):
    name = client.post("/predict", json={"data": ["1 1"]}).json()["filename"]
    platform.run()
    platform.predict()
    first = client.get(f"/result/{name}").json()
    client.post("/train", json={"data": ["1 1 1 1", "1 2 1 1"]})
    platform.run()
    assert client.get(f"/result/{name}").json() == first
    platform.predict()
    assert client.get(f"/result/{name}").json() != first
    assert client.get(f"/result/{name}?model=1").json() == first
    assert client.get(f"/result/{name}?model=9").status_code == 404


def test_whoever_waits_costs_one_look_at_each_former_champion(client, platform, root, monkeypatch):
    for movie in range(3):
        platform.drop(f"{movie}.txt", f"1 {movie} 1 1\n")
        platform.run(reprocess=True)
    name = "predict-2019-05-09T16:33:25.613314.txt"
    platform.drop(name, "1 1\n", "streaming")
    tried = []

    def count(path, *_):
        tried.append(path.parent.name)
        return read_bytes(path)

    monkeypatch.setattr(files, "read_bytes", count)
    for _ in range(3):
        assert client.post("/result", json={"filename": name}).json() == {"ready": False}
    assert tried == ["3", "2", "1", "3", "3"]
    platform.predict()
    assert client.post("/result", json={"filename": name}).json()["ready"]
    platform.drop("new.txt", "1 2 1 1\n")
    platform.run()  # what the champion has predicted stays ready when there is another one
    assert client.post("/result", json={"filename": name}).json()["ready"]
