"""The cleanings of `housekeeping` on a busy home: real models, a real MLflow, a real database of Airflow."""

import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from deploy.demo.ratings.generate import movielens_like
from include.core.storage import write_json, write_whole
from include.ratings import layout
from include.ratings.data import base, landing
from include.ratings.data.ledger import Ledger
from include.ratings.models import cards, training
from include.ratings.models.champion import read_champion
from include.ratings.predictions import files
from include.ratings.settings import RatingsSettings
from include.workflows import WORKFLOWS
from quartet.hooks import metadata
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.housekeeping import Housekeeping
from tests.support.ratings_runs import predict, train

RULES = {rule.task_id: (workflow.name, rule) for workflow in WORKFLOWS for rule in workflow.retention.rules}
CLEANINGS: dict[str, Callable[[Housekeeping], dict[str, int]]] = {
    name: partial(lambda name, run: run.clean(*RULES[name]), name)
    for name in ("clean_ratings", "remove_models", "compact_ratings")
}
CLEANINGS["purge_runs"] = Housekeeping.purge_runs
CLEANINGS |= {
    name: partial(lambda name, run: run.clean(*RULES[name]), name)
    for name in ("clean_articles", "clean_audience", "clean_songs")
}
CLEANINGS["clean_logs"] = Housekeeping.clean_logs
AT_ONCE = "0.000001"
"""Days: a tenth of a second."""


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "_delta_log" not in path.parts
    }


def clean(*, dry_run: bool = False) -> dict[str, dict[str, int]]:
    counts = {}
    for name in CLEANINGS:
        time.sleep(0.2)  # until all of before is old, what the cleaning before has deleted too
        counts[name] = CLEANINGS[name](Housekeeping(dry_run))
    return counts


@pytest.fixture
def busy_home(registry_home: Path, fast_ratings: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home with four models, the last one champion and with an answer, and leftovers of each workflow."""
    root = StorageHook().path("ratings")
    base.store(root, movielens_like(seed=1, ratings=1_500), "test")
    train("run-0")
    landing.submit(root, "streaming", ["1 1", "nobody 1"], datetime.now(UTC))
    for number in (1, 2, 3):
        landing.submit(root, "training", [f"{number} 1 5 1"], datetime.now(UTC))
        train(f"run-{number}")
        if number != 2:  # so that model 3 has no answer
            predict("run")
    data = registry_home / "data"
    extract = data / "articles/a/extracts/2020-01-01" / f"{'0' * 32}-1-2-3-4.parquet"
    for path in (extract, data / "songs/.incoming/job-2019-02-08/metrics.json", registry_home / "logs/d/attempt=1.log"):
        write_whole(path, b"12345")
    write_json(data / f"audience/tasks/{'1' * 32}/rules.csv", {})
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(registry_home / "logs"))
    monkeypatch.setenv("AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY", str(registry_home / "logs/dags"))
    return registry_home


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the shortest retention of everything."""
    for name in ("DELETED_RUNS", "EXTRACTS", "ARTICLE_RUNS", "AUTHORS", "TASKS", "INCOMING", "LEASES", "LISTENERS"):
        monkeypatch.setenv(f"QUARTET_KEEP_{name}_DAYS", AT_ONCE)
    for name in ("REPORTS", "PREDICTIONS", "LOGS"):
        monkeypatch.setenv(f"QUARTET_KEEP_{name}_DAYS", AT_ONCE)
    monkeypatch.setenv("QUARTET_KEEP_MODELS", "1")
    monkeypatch.setenv("ARTICLE_RECS_DAYS_OF_DATA", "1")
    monkeypatch.setattr(RatingsSettings, "retention", 0)


def test_by_default_nothing_that_is_young_goes(busy_home):
    before = digests(busy_home / "data")
    clean()
    compacted = {name for name in digests(busy_home / "data") if "training_table" in name}
    assert {name: digest for name, digest in digests(busy_home / "data").items() if name not in compacted} == {
        name: digest for name, digest in before.items() if "training_table" not in name
    }
    ledger = Ledger(layout.training_table(StorageHook().store("ratings")))
    assert [len(ledger.rows(version)) for version in range(4)] == [0, 1, 2, 3]
    assert (busy_home / "logs/d/attempt=1.log").exists()
    assert cards.versions(StorageHook().path("ratings")) == [4, 3, 2, 1]


@pytest.mark.usefixtures("strict")
def test_what_nobody_uses_goes_once_and_all_that_is_used_works(busy_home):
    data, root, storage = busy_home / "data", StorageHook().path("ratings"), StorageHook()
    champion = read_champion(root)
    before, given = digests(data), files.predicted_by(root, champion.version)
    assert (champion.version, champion.previous) == (4, (3, 2, 1))

    counts = clean(dry_run=True)
    assert counts["clean_ratings"]["objects"] > 0
    assert counts["remove_models"]["models"] == 1  # the others still have answers
    assert digests(data) == before

    counts = clean()
    assert counts["clean_ratings"] == {"objects": 2, "bytes": counts["clean_ratings"]["bytes"]}  # model 2's answer
    assert counts["remove_models"]["models"] == 2  # 1 and 2; 4 is the champion, 3 was before
    assert counts["purge_runs"]["runs"] == 2
    assert counts["compact_ratings"]["files_merged"] == 3
    assert cards.versions(root) == [4, 3]
    assert not [*(data / "articles").rglob("*.parquet"), *(data / "audience/tasks").iterdir()]
    assert not [*(data / "songs/.incoming").iterdir(), *(busy_home / "logs").rglob("*.log")]

    card = cards.read_card(root, 4)
    assert training.load(storage.path(card.artefact), card.sha256)
    assert files.predicted_by(root, 4) == given
    landing.submit(root, "streaming", ["2 2"], datetime.now(UTC))
    predict("run")
    assert len(files.predicted_by(root, 4)) == 2
    ledger = Ledger(layout.training_table(storage.store("ratings")))
    assert (len(ledger.rows(2)), len(ledger.rows(3)), len(ledger.rows())) == (2, 3, 3)  # of models 3 and 4
    assert [int(each.version) for each in RegistryHook().client().search_model_versions("name = 'ratings'")] == [4, 3]
    assert len(list((data / "mlflow/ratings").iterdir())) == 2

    after = digests(data)
    assert all(not any(numbers.values()) for numbers in clean().values())
    assert digests(data) == after
    assert ledger.newest() == Ledger(layout.training_table(storage.store("ratings"))).newest()


@pytest.mark.usefixtures("strict")
def test_a_deleted_run_with_a_model_or_with_files_elsewhere_stays(busy_home, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    card = cards.read_card(StorageHook().path("ratings"), 4)
    client = RegistryHook().client()
    experiment = client.create_experiment("mine", artifact_location=elsewhere.as_uri())
    mine = client.create_run(experiment).info.run_id
    client.log_text(mine, "mine", "a.txt")
    for run_id in (mine, card.run_id):
        client.delete_run(run_id)
    time.sleep(0.2)
    assert Housekeeping().purge_runs()["runs"] == 0
    assert {client.get_run(run_id).info.lifecycle_stage for run_id in (mine, card.run_id)} == {"deleted"}
    assert list(elsewhere.rglob("a.txt"))
    assert training.load(StorageHook().path(card.artefact), card.sha256)


def test_without_their_connections_databases_of_others_are_left_alone(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(AirflowSkipException, match=r"quartet_metadata is not defined.*airflow db clean"):
        Housekeeping().clean_metadata()
    with pytest.raises(AirflowSkipException, match=r"quartet_mlflow is not defined.*mlflow gc"):
        Housekeeping().purge_runs()


def test_every_table_that_airflow_would_clean_is_cleaned_or_kept_on_purpose():
    from airflow.utils.db_cleanup import config_dict

    assert {*metadata.TABLES, *metadata.KEPT} == {*config_dict, "session"}


def test_old_rows_of_airflows_database_go_though_tasks_do_not_see_it(home, monkeypatch):
    path = home / "airflow.db"
    line = [sys.executable, "-m", "airflow", "db", "migrate"]
    environment = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{path}"}
    subprocess.run(line, env=environment, check=True, capture_output=True)
    now = datetime.now(UTC)
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM log")
        for days in (1, 364, 366):
            database.execute("INSERT INTO log (dttm, event) VALUES (?, ?)", (str(now - timedelta(days=days)), days))
    database.close()
    for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"):
        monkeypatch.setenv(name, "airflow-db-not-allowed:///")  # as Airflow does for each task
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_METADATA", f'{{"conn_type": "sqlite", "host": "{path}"}}')

    assert Housekeeping(dry_run=True).clean_metadata() == {"rows": 1}
    assert Housekeeping().clean_metadata() == {"rows": 1}
    query = "SELECT event FROM log WHERE event NOT LIKE 'cli%' ORDER BY id"
    with sqlite3.connect(path) as database:
        assert [int(event) for (event,) in database.execute(query)] == [1, 364]
        assert not database.execute("SELECT name FROM sqlite_master WHERE name LIKE '_airflow_deleted%'").fetchall()
    database.close()


def test_a_database_that_cannot_be_cleaned_is_an_error(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_METADATA", f'{{"conn_type": "sqlite", "host": "{home}/none/x.db"}}')
    with pytest.raises(RuntimeError, match="airflow db clean exited with"):
        Housekeeping().clean_metadata()
