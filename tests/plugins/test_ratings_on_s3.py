"""Movie ratings with all data in S3: the same results as on local files."""

import shutil
from datetime import UTC, datetime

import pytest

from include.core.errors import DamagedObjectError
from include.core.storage import read_bytes
from include.ratings import answering, base, generate, landing, models, pipeline, prediction
from include.ratings.ledger import Ledger
from include.ratings.settings import RatingsSettings
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook

SETTINGS = RatingsSettings(algorithm="BaselineOnly")


def submit(repo: landing.Repo, *rows: str) -> str:
    return landing.submit(StorageHook().path("ratings"), repo, rows, datetime.now(UTC))


def train(run: str) -> None:
    store, now = StorageHook().store("ratings"), datetime.now(UTC)
    base_data = base.load(store.path)
    plan = pipeline.pin(store, base_data, SETTINGS, pipeline.Asked(), run, now.timestamp() + 60)
    pipeline.train_and_promote(store, plan, RegistryHook(), SETTINGS, now.isoformat())


def answers(run: str, asked: str) -> tuple[int, str] | None:
    storage = StorageHook()
    root = storage.path("ratings")
    answering.answer_all(root, storage.path, run, lambda: datetime.now(UTC).timestamp() + 60)
    champion = models.champion(root)
    return prediction.answer(root, asked, [champion.version, *champion.previous])


def results(asked_rows: list[str]) -> list[tuple[int, str] | None]:
    root = StorageHook().path("ratings")
    base.store(root, generate.movielens_like(seed=1, ratings=1_500), "test")
    train("run-1")
    asked = submit("streaming", *asked_rows)
    found = [answers("run-2", asked)]
    submit("training", "1 1 1 1", "nobody 1 5 1")
    train("run-3")
    found.append(answers("run-4", asked))
    return found


def test_s3_and_local_files_give_the_same_results(registry_home, empty_registry, s3_storage, monkeypatch):
    rows = ["1 1", "nobody 1", "1 nothing"]
    on_s3 = results(rows)
    ledger = Ledger(StorageHook().store("ratings", "training_table"))
    assert [entry.operation for entry in ledger.history()] == ["ingest", "create"]
    monkeypatch.setenv("QUARTET_STORAGE", f"file://{registry_home}/local")
    shutil.copy(empty_registry, registry_home / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registry_home}/other.db")
    assert results(rows) == on_s3
    assert [version for version, _ in on_s3] == [1, 2]


def test_a_bad_file_on_s3_is_refused_and_accepted_when_replaced(registry_home, s3_storage):
    root = StorageHook().path("ratings")
    base.store(root, generate.movielens_like(seed=1, ratings=1_500), "test")
    (root / "training" / "a.txt").write_bytes(b"rubbish\n")
    train("run-1")
    assert landing.refusal(root, "training", "a.txt")["reason"].startswith("line 1")
    (root / "training" / "a.txt").write_bytes(b"1 1 3 1\n")
    train("run-2")
    assert landing.refusal(root, "training", "a.txt") is None


def test_a_damaged_object_on_s3_is_named(registry_home, s3_storage):
    root = StorageHook().path("ratings")
    base.store(root, generate.movielens_like(seed=1, ratings=1_500), "test")
    path = root / "base" / f"{base.load(root).sha256}.data"
    path.write_bytes(read_bytes(path)[:-9])
    with pytest.raises(DamagedObjectError, match=path.name):
        base.load(root)
