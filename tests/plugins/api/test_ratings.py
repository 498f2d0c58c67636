"""The ratings API, with storage in a folder and no Airflow behind it."""

import json
import re
import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from include.core.storage import Store
from include.ratings import answering, base, generate, landing
from include.ratings.ledger import Ledger
from include.ratings.names import is_issued
from include.ratings.settings import RatingsSettings
from quartet.api.ratings import app as ratings
from tests.include.ratings.conftest import NOW, Platform, RegistryInMemory

NEVER_ISSUED = "predict-2019-05-09T16:35:04.313814.txt"


@pytest.fixture
def client(home, signed_in, monkeypatch):
    """Give a client of the app as an administrator; bodies of at most 100,000 bytes."""
    monkeypatch.setenv("RATINGS_MAX_BODY_BYTES", "100000")
    monkeypatch.setenv("RATINGS_MAX_ROWS", "500")
    app = ratings.create_app()
    signed_in(app, "admin")
    with TestClient(app) as client:
        yield client


@pytest.fixture
def root(home) -> Path:
    return home / "data" / "ratings"


@pytest.fixture
def platform(home, root) -> Platform:
    """Give the runs of the workflow on the same storage as the app."""
    base.store(root, generate.movielens_like(seed=1, ratings=1_500), "test")
    return Platform(Store(root, f"{root}"), RegistryInMemory(home / "data"), RatingsSettings(algorithm="BaselineOnly"))


def answer(platform: Platform) -> None:
    answering.answer_all(platform.store.path, lambda path: platform.registry.root / path, "run-p", lambda: NOW)


def files(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.is_file()]


class TestSubmit:
    """`/train` and `/predict`: one request, one file, durable before the answer."""

    def test_ratings_become_a_file_of_normalised_lines(self, client, root):
        answered = client.post("/train", json={"data": ["244 346 2 880606923", " 244\t355  3 880606924 "]})
        assert answered.status_code == 200
        assert list(answered.json()) == ["filename"]
        assert is_issued(name := answered.json()["filename"], "train")
        assert (root / "training" / name).read_text() == "244 346 2 880606923\n244 355 3 880606924\n"

    def test_pairs_become_a_file(self, client, root):
        name = client.post("/predict", json={"data": ["233 346"], "unknown": 1}).json()["filename"]
        assert is_issued(name, "predict")
        assert (root / "streaming" / name).read_text() == "233 346\n"

    def test_simultaneous_requests_get_names_of_their_own(self, root):
        from datetime import UTC, datetime

        now, found = datetime.now(UTC), []
        threads = [
            threading.Thread(target=lambda: found.append(landing.submit(root, "training", ["1 1 1 1"], now)))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == len(files(root)) == 20

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
    def test_a_body_without_a_list_of_rows_is_refused(self, client, root, body):
        for path in ("/train", "/predict"):
            assert client.post(path, json=body).status_code == 422
        assert files(root) == []

    @pytest.mark.parametrize(
        "row", [1, None, [], {}, 1.5, True, "x", "1 1 9 1", "1 1 nan 1", "1 1 1", "a\nb 1 1 1", "\ud800 1 1 1"]
    )
    def test_one_bad_row_refuses_all_and_is_named(self, client, root, row):
        content = json.dumps({"data": ["1 1 1 1", "1 2 1 1", row, "x"]}).encode()
        answered = client.post("/train", content=content, headers={"Content-Type": "application/json"})
        assert answered.status_code == 422
        assert answered.json()["errors"][0]["index"] == 2
        assert answered.json()["errors"][0]["reason"]
        assert files(root) == []

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"\xff\xfe", b'{"data": ["1 1"', b"[" * 100_000, b'{"data": [1e400]}']
    )
    def test_broken_json_is_refused(self, client, root, content):
        answered = client.post("/predict", content=content, headers={"Content-Type": "application/json"})
        assert answered.status_code in (400, 413, 422)
        assert files(root) == []

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    )
    def test_another_content_type_is_refused(self, client, kind):
        assert client.post("/predict", content=b'{"data": ["1 1"]}', headers={"Content-Type": kind}).status_code == 422

    def test_too_many_rows_and_too_large_bodies_are_refused(self, client, root):
        assert client.post("/predict", json={"data": ["1 1"] * 501}).status_code in (413, 422)
        assert client.post("/predict", json={"data": ["1 1"] * 500}).status_code == 200
        assert client.post("/predict", content=b"x" * 100_001).status_code == 413
        assert client.post("/predict", content=iter([b"x" * 60_000] * 2)).status_code == 413
        assert len(files(root)) == 1

    def test_other_methods_are_refused(self, client):
        for path in ("/train", "/predict", "/result", "/rollback"):
            assert client.get(path).status_code == 405

    def test_storage_that_is_not_available_is_503(self, client, home):
        (home / "data").write_text("a file where the folder should be")
        answered = client.post("/train", json={"data": ["1 1 1 1"]})
        assert answered.status_code == 503
        assert "storage" in answered.json()["detail"]
        assert client.post("/result", json={"filename": NEVER_ISSUED}).status_code in (200, 503)


class TestResult:
    """`/result`: ready with the whole text, or not, or why not."""

    def test_a_prediction_goes_from_not_ready_to_ready(self, client, platform):
        name = client.post("/predict", json={"data": ["1 1", "nobody 1"]}).json()["filename"]
        assert client.post("/result", json={"filename": name}).json() == {"ready": False}
        platform.run()
        answer(platform)
        found = client.post("/result", json={"filename": name}).json()
        assert list(found) == ["ready", "data"]
        assert re.fullmatch(r"1 1 [0-9.]+\nnobody 1 [0-9.]+\n", found["data"])

    def test_a_name_that_was_never_issued_is_not_ready(self, client):
        assert client.post("/result", json={"filename": NEVER_ISSUED}).json() == {"ready": False}
        assert client.get(f"/result/{NEVER_ISSUED}").json() == {"ready": False}

    @pytest.mark.parametrize(
        "name",
        [
            "../champion.json",
            "/etc/passwd",
            f"{NEVER_ISSUED}\n",
            f"..%2F{NEVER_ISSUED}",
            f"..\\{NEVER_ISSUED}",
            f"1/{NEVER_ISSUED}",
            "predict-\0",
            "train-2019-05-09T16:33:25.613314.txt",
            "p" * 129,
            "",
            None,
            7,
            [NEVER_ISSUED],
        ],
    )
    def test_any_other_name_is_refused(self, client, name):
        assert client.post("/result", json={"filename": name}).status_code == 422
        assert client.post("/result", json={}).status_code == 422

    def test_a_name_that_climbs_in_the_address_is_refused(self, client, root):
        root.mkdir(parents=True)
        (root / "champion.json").write_text("{}")
        for path in (f"/result/..%2f{NEVER_ISSUED}", "/result/..%2fchampion.json", "/result/%2e%2e%2fchampion.json"):
            assert client.get(path).status_code == 422

    def test_a_refused_file_says_why(self, client, platform, root):
        platform.run()
        (root / "streaming").mkdir(exist_ok=True)
        (root / "streaming" / NEVER_ISSUED).write_text("rubbish\n")
        answer(platform)
        found = client.post("/result", json={"filename": NEVER_ISSUED}).json()
        assert found == {"ready": False, "error": "line 1: 2 fields (user movie) were expected, found 1"}

    def test_an_older_answer_can_be_asked_for(self, client, platform):
        name = client.post("/predict", json={"data": ["1 1"]}).json()["filename"]
        platform.run()
        answer(platform)
        first = client.get(f"/result/{name}").json()
        client.post("/train", json={"data": ["1 1 1 1", "1 2 1 1"]})
        platform.run()
        assert client.get(f"/result/{name}").json() == first
        answer(platform)
        assert client.get(f"/result/{name}").json() != first
        assert client.get(f"/result/{name}?model=1").json() == first
        assert client.get(f"/result/{name}?model=9").status_code == 404


class TestHistory:
    """Commits, models, and what made what."""

    @pytest.fixture
    def used(self, client, platform):
        """A platform that has trained twice and answered once."""
        platform.run()
        client.post("/train", json={"data": ["1 1 1 1"]})
        platform.run()
        self.name = client.post("/predict", json={"data": ["1 1"]}).json()["filename"]
        answer(platform)
        return client

    def test_an_empty_platform_has_no_history_and_none_is_made_by_looking(self, client, root):
        assert client.get("/commits").json() == {"commits": []}
        assert client.get("/models").json() == {"champion": None, "models": [], "promotions": []}
        assert client.get("/commits/0/used-by").status_code == 404
        assert files(root) == []

    def test_commits_are_listed_and_compared(self, used):
        newest, oldest = used.get("/commits").json()["commits"]
        assert (newest["version"], newest["operation"], newest["rows_added"], len(newest["files"])) == (
            1,
            "ingest",
            1,
            1,
        )
        assert oldest["operation"] == "create"
        assert used.get("/commits/0/diff/1").json()["rows_added"] == 1
        assert used.get("/commits/0/diff/7").status_code == 404
        assert used.get("/commits?limit=1").json()["commits"] == [newest]

    def test_models_are_listed_with_what_made_them(self, used):
        found = used.get("/models").json()
        assert found["champion"] == 2
        assert [each["version"] for each in found["models"]] == [2, 1]
        assert [each["to"] for each in found["promotions"]] == [2, 1]
        assert found["models"][0]["tags"]["algorithm"] == "BaselineOnly"

    def test_users_of_data_and_models_are_listed(self, used):
        assert used.get("/commits/1/used-by").json() == {"version": 1, "models": [2]}
        assert used.get("/models/2/used-by").json() == {"version": 2, "predictions": [self.name]}
        assert used.get("/models/9/used-by").status_code == 404

    def test_a_line_leads_back_to_what_made_it(self, used):
        found = used.get(f"/predictions/{self.name}/why?line=1").json()
        assert found["line"]["user_known"] is True
        assert found["training"]["version"] == 1
        assert used.get(f"/predictions/{self.name}/why?line=2").status_code == 404
        assert used.get(f"/predictions/{NEVER_ISSUED}/why").status_code == 404
        assert used.get("/predictions/champion.json/why").status_code == 422

    @pytest.mark.parametrize(
        "path",
        [
            "/commits?limit=0",
            "/commits?limit=x",
            "/commits/-1/used-by",
            "/models/x/used-by",
            "/commits/1/diff/99999999999999999999",
        ],
    )
    def test_odd_numbers_are_refused(self, client, path):
        assert client.get(path).status_code == 422

    def test_a_damaged_table_is_an_error_that_names_the_file(self, used, root):
        (file,) = (root / "training_table").glob("*.parquet")
        file.write_bytes(b"rubbish")
        answered = used.get("/commits/0/diff/1")
        assert answered.status_code == 503
        assert file.name in answered.json()["detail"]


class TestOperating:
    """Jobs and rollback, with Airflow's answers put in."""

    @pytest.fixture
    def started(self, monkeypatch):
        """Catch the runs that are started."""
        calls = []

        async def trigger(request, dag_id, conf, **_):
            calls.append((dag_id, conf))
            return "manual-1"

        monkeypatch.setattr("quartet.api.common.runs.trigger", trigger)
        return calls

    def test_a_rollback_starts_a_run(self, client, platform, started):
        platform.run()
        answered = client.post("/rollback", json={"model": 1})
        assert (answered.status_code, answered.json()) == (202, {"dag_run_id": "manual-1"})
        assert client.post("/rollback", json={"training": 0}).status_code == 202
        assert started == [("ratings_train", {"model": 1}), ("ratings_train", {"training": 0})]

    def test_an_unknown_version_is_404(self, client, platform, started):
        assert client.post("/rollback", json={"training": 0}).status_code == 404
        platform.run()
        for body in ({"model": 2}, {"training": 1}):
            assert client.post("/rollback", json=body).status_code == 404
        assert started == []

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"model": 1, "training": 1},
            {"model": "1"},
            {"model": 1.5},
            {"model": None},
            {"training": -1},
            {"model": True},
        ],
    )
    def test_any_other_body_is_refused(self, client, started, body):
        assert client.post("/rollback", json=body).status_code == 422
        assert started == []

    def test_jobs_tell_what_each_run_did_and_what_was_refused(self, client, platform, monkeypatch):
        async def list_runs(request, dag_id, limit):
            if dag_id == "ratings_predict":
                return []
            return [{"dag_run_id": "run-1", "state": "success", "start_date": "s", "duration": 1.5, "run_after": "r"}]

        monkeypatch.setattr("quartet.api.common.runs.list_runs", list_runs)
        platform.drop("bad.txt", "rubbish\n")
        from include.ratings import reports

        reports.write(platform.store.path, platform.run())
        found = client.get("/jobs").json()
        assert found["jobs"][0] | {"counts": None} == {
            "pipeline": "train",
            "dag_run_id": "run-1",
            "state": "success",
            "start": "s",
            "duration": 1.5,
            "input": ["training version 0"],
            "output": [1],
            "made": "computed",
            "reason": "first model; model 1 is the new champion",
            "counts": None,
        }
        assert [each["file"] for each in found["refused"]] == ["bad.txt"]


def test_a_ledger_is_read_through_the_hook(client, root):
    Ledger(Store(root / "training_table", f"{root}/training_table"))
    assert client.get("/commits").json()["commits"][0]["operation"] == "create"
