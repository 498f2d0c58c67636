"""Commits, models, and what made what."""

import pytest

from include.core.storage import Store
from include.ratings.data.ledger import Ledger
from tests.plugins.api.ratings.examples import PREDICTION


@pytest.fixture
def predicted(client, platform) -> str:
    """Train twice and predict once; return the name of the prediction file."""
    platform.run()
    client.post("/train", json={"data": ["1 1 1 1"]})
    platform.run()
    name = client.post("/predict", json={"data": ["1 1"]}).json()["filename"]
    platform.predict()
    return name


def test_an_empty_platform_has_no_history_and_none_is_made_by_looking(client, stored_files):
    assert client.get("/commits").json() == {"commits": []}
    assert client.get("/models").json() == {"champion": None, "models": [], "promotions": []}
    assert client.get("/commits/0/used-by").status_code == 404
    assert stored_files() == []


def test_commits_are_listed_and_compared(client, predicted):
    newest, oldest = client.get("/commits").json()["commits"]
    assert (newest["version"], newest["operation"], newest["rows_added"], len(newest["files"])) == (
        1,
        "ingest",
        1,
        1,
    )
    assert oldest["operation"] == "create"
    assert client.get("/commits/0/diff/1").json()["rows_added"] == 1
    assert client.get("/commits/0/diff/7").status_code == 404
    assert client.get("/commits?limit=1").json()["commits"] == [newest]


def test_models_are_listed_with_what_made_them(client, predicted):
    found = client.get("/models").json()
    assert found["champion"] == 2
    assert [each["version"] for each in found["models"]] == [2, 1]
    assert [each["to"] for each in found["promotions"]] == [2, 1]
    assert found["models"][0]["tags"]["algorithm"] == "BaselineOnly"


def test_users_of_data_and_models_are_listed(client, predicted):
    assert client.get("/commits/1/used-by").json() == {"version": 1, "models": [2]}
    assert client.get("/models/2/used-by").json() == {"version": 2, "predictions": [predicted]}
    assert client.get("/models/9/used-by").status_code == 404
    assert client.get("/models/2/used-by?offset=1").json() == {"version": 2, "predictions": []}
    assert client.get("/models/2/used-by?limit=1001").status_code == 422


def test_a_line_leads_back_to_what_made_it(client, predicted):
    found = client.get(f"/predictions/{predicted}/why?line=1").json()
    assert found["line"]["user_known"] is True
    assert found["training"]["version"] == 1
    assert client.get(f"/predictions/{predicted}/why?line=2").status_code == 404
    assert client.get(f"/predictions/{PREDICTION}/why").status_code == 404
    assert client.get("/predictions/champion.json/why").status_code == 422


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
def test_odd_numbers_are_refused(client, path):
    assert client.get(path).status_code == 422


def test_a_damaged_table_is_an_error_that_names_the_file(client, predicted, root):
    (file,) = (root / "training_table").glob("*.parquet")
    file.write_bytes(b"rubbish")
    answered = client.get("/commits/0/diff/1")
    assert answered.status_code == 503
    assert file.name in answered.json()["detail"]


def test_a_ledger_is_read_through_the_hook(client, root):
    Ledger(Store(root / "training_table", f"{root}/training_table"))
    assert client.get("/commits").json()["commits"][0]["operation"] == "create"
