"""Movie ratings on the real platform: through the API, by dropped files, with processes killed in the middle."""

import threading
from collections import Counter
from typing import Any

import httpx
import pytest

from include.core.storage import Store
from include.ratings.data.ledger import Ledger
from tests.support.platform import Platform, wait_for

pytestmark = pytest.mark.e2e

PAIRS = ["233 346", "125 378", "nobody 346"]


class Ratings:
    """The workflow as its users see it, and its table."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.root = platform.home / "data" / "ratings"

    def get(self, path: str, **query: Any) -> Any:
        return self.platform.client.get(path, params=query).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        return self.platform.client.post(path, json=body).raise_for_status().json()

    def champion(self) -> int | None:
        return self.get("/ratings/models", limit=1)["champion"]

    def answer(self, name: str) -> str | None:
        return self.post("/ratings/result", {"filename": name}).get("data")

    def model_of(self, name: str) -> int:
        return self.get(f"/ratings/predictions/{name}/why")["model"]["version"]

    def idle(self) -> bool:
        query = {"state": ["queued", "running"], "limit": 1}
        paths = [f"/api/v2/dags/{dag_id}/dagRuns" for dag_id in ("ratings_train", "ratings_predict")]
        return not any(self.get(path, **query)["total_entries"] for path in paths)

    def lines(self, prefix: str) -> Counter[str]:
        """Count the table's rows of the users whose id begins with *prefix*, as the lines they came in."""
        path = self.root / "training_table"
        rows = Ledger(Store(path, str(path))).rows()
        found = (f"{row.user} {row.movie} {row.stars:g} {row.timestamp}" for row in rows if row.user.startswith(prefix))
        return Counter(found)

    def settled(self) -> bool:
        """Check that the newest commit has its model and no run is active."""
        if not self.idle():
            return False
        newest = next(each for each in self.get("/ratings/commits")["commits"] if each["operation"] == "ingest")
        return bool(self.get(f"/ratings/commits/{newest['version']}/used-by")["models"])


@pytest.fixture
def ratings(platform: Platform) -> Ratings:
    ratings = Ratings(platform)
    wait_for("there is a first model, nobody asked for it", ratings.champion, 120)
    wait_for("nothing is going on", ratings.idle, 120)
    return ratings


def test_new_ratings_change_an_answer_and_a_rollback_brings_it_back_exactly(ratings):
    first = ratings.champion()
    asked = ratings.post("/ratings/predict", {"data": PAIRS})["filename"]
    before = wait_for("there is an answer", lambda: ratings.answer(asked))
    assert [line.rsplit(" ", 1)[0] for line in before.splitlines()] == PAIRS

    submitted = ratings.post("/ratings/train", {"data": ["233 346 1 900000000", "nobody 346 1 900000000"]})["filename"]
    wait_for("a new model has answered", lambda: ratings.model_of(asked) != first, 120)
    why = ratings.get(f"/ratings/predictions/{asked}/why", line=3)
    assert submitted in why["training"]["files"]
    assert why["line"]["user_known"] is True
    assert ratings.answer(asked) != before

    wait_for("nothing is going on", ratings.idle)
    run = ratings.post("/ratings/rollback", {"model": first})["dag_run_id"]
    wait_for("the earlier model answers again", lambda: ratings.model_of(asked) == first, 60)
    assert ratings.answer(asked) == before
    jobs = wait_for("the run is listed", lambda: [job for job in jobs_of(ratings) if job["dag_run_id"] == run])
    assert jobs[0]["reason"] == f"back to model {first}"
    assert ratings.get(f"/api/v2/dags/ratings_train/dagRuns/{run}")["note"] == f"back to model {first}"


def jobs_of(ratings: Ratings) -> list[dict[str, Any]]:
    return [job for job in ratings.get("/ratings/jobs")["jobs"] if job["state"] == "success"]


def test_of_a_thousand_dropped_files_the_good_are_taken_once_and_the_bad_explained(ratings):
    folder = ratings.root / "training"
    expected, bad, halves = [], {}, []
    for number in range(1000):
        name, line = f"drop-{number:04}.txt", f"drop{number} 346 3 {number}"
        if number % 50 == 7:
            (folder / name).write_text(f"{line}\nrubbish\n")
            bad[name] = "line 2: 4 fields (user movie rating timestamp) were expected, found 1"
            continue
        expected.append(line)
        if number % 50 == 11:
            name = f"drop odd; {number} 'ü\".csv"
        if number % 50 == 13:
            (folder / name).write_text(line[:-1])  # still being copied
            halves.append((folder / name, line))
        else:
            (folder / name).write_text(f"{line}\n")
    for path, line in halves:
        path.write_text(f"{line}\n")
    wait_for("all good files are in the table", lambda: ratings.lines("drop") == Counter(expected), 120)
    wait_for("the newest commit has its model", ratings.settled, 120)
    assert ratings.lines("drop") == Counter(expected)
    refused = {each["file"]: each["reason"] for each in ratings.get("/ratings/jobs")["refused"]}
    assert {name: refused.get(name) for name in bad} == bad


def test_nothing_is_lost_or_doubled_when_processes_are_killed_under_load(ratings):
    platform, lines = ratings.platform, [f"kill{number} 346 {number % 5 + 1} {number}" for number in range(120)]
    failed: list[str] = []

    def post_all() -> None:
        with httpx.Client(base_url=platform.url, timeout=30) as http:
            for line in lines:
                answer = http.post("/ratings/train", json={"data": [line]})
                if answer.status_code != 200:
                    failed.append(answer.text)

    load = threading.Thread(target=post_all)
    load.start()
    wait_for("the training is killed", lambda: platform.kill_task("ratings_train", "train"), 60, 0.05)
    platform.kill("triggerer")
    platform.kill("scheduler")
    load.join()
    assert failed == []
    wait_for("the platform is healthy again", platform.healthy, 90)
    wait_for("all lines are in the table", lambda: ratings.lines("kill") == Counter(lines), 120)
    wait_for("the newest commit has its model", ratings.settled, 180)
    assert ratings.lines("kill") == Counter(lines)


def test_the_selection_compares_what_is_asked(ratings):
    body = {"logical_date": None, "conf": {"algorithms": ["BaselineOnly", "NormalPredictor"], "folds": 2}}
    run = ratings.post("/api/v2/dags/ratings_model_selection/dagRuns", body)["dag_run_id"]
    path = f"/api/v2/dags/ratings_model_selection/dagRuns/{run}"
    done = wait_for("it ends", lambda: (found := ratings.get(path))["end_date"] and found, 150)
    assert done["state"] == "success"
    assert done["note"].endswith("BaselineOnly is best")
    folder = ratings.platform.home / "data/mlflow/ratings_selection"
    charts = [each.read_text() for each in folder.rglob("comparison.svg")]  # on some days also of the scheduled run
    (chart,) = [each for each in charts if "2-fold" in each]
    assert "NormalPredictor" in chart
