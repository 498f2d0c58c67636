"""Movie ratings with all data in S3: the same results as on local files."""

import shutil
from datetime import UTC, datetime

import pytest

from deploy.demo.ratings.generate import movielens_like
from include.core.errors import DamagedObjectError
from include.core.storage import read_bytes
from include.ratings import layout
from include.ratings.data import base, landing
from include.ratings.data.ledger import Ledger
from include.ratings.models.champion import read_champion
from include.ratings.predictions import files
from quartet.hooks.storage import StorageHook
from tests.support.ratings_runs import predict, train

pytestmark = pytest.mark.usefixtures("fast_ratings")


def submit(repo: layout.Repo, *rows: str) -> str:
    return landing.submit(StorageHook().path("ratings"), repo, rows, datetime.now(UTC))


def predictions(run: str, requested: str) -> tuple[int, str] | None:
    predict(run)
    root = StorageHook().path("ratings")
    champion = read_champion(root)
    return files.newest(root, requested, [champion.version, *champion.previous])


def results(pairs: list[str]) -> list[tuple[int, str] | None]:
    root = StorageHook().path("ratings")
    base.store(root, movielens_like(seed=1, ratings=1_500), "test")
    train("run-1")
    requested = submit("streaming", *pairs)
    found = [predictions("run-2", requested)]
    submit("training", "1 1 1 1", "nobody 1 5 1")
    train("run-3")
    found.append(predictions("run-4", requested))
    return found


def test_s3_and_local_files_give_the_same_results(registry_home, empty_registry, s3_storage, monkeypatch):
    pairs = ["1 1", "nobody 1", "1 nothing"]
    on_s3 = results(pairs)
    ledger = Ledger(layout.training_table(StorageHook().store("ratings")))
    assert [entry.operation for entry in ledger.history()] == ["ingest", "create"]
    monkeypatch.setenv("QUARTET_STORAGE", f"file://{registry_home}/local")
    shutil.copy(empty_registry, registry_home / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registry_home}/other.db")
    assert results(pairs) == on_s3
    assert [version for version, _ in on_s3] == [1, 2]


def test_a_bad_file_on_s3_is_refused_and_accepted_when_replaced(registry_home, s3_storage):
    root = StorageHook().path("ratings")
    base.store(root, movielens_like(seed=1, ratings=1_500), "test")
    (root / "training" / "a.txt").write_bytes(b"rubbish\n")
    train("run-1")
    assert landing.refusal(root, "training", "a.txt")["reason"].startswith("line 1")
    (root / "training" / "a.txt").write_bytes(b"1 1 3 1\n")
    train("run-2")
    assert landing.refusal(root, "training", "a.txt") is None


def test_a_damaged_object_on_s3_is_named(registry_home, s3_storage):
    root = StorageHook().path("ratings")
    base.store(root, movielens_like(seed=1, ratings=1_500), "test")
    path = root / "base" / f"{base.load(root).sha256}.data"
    path.write_bytes(read_bytes(path)[:-9])
    with pytest.raises(DamagedObjectError, match=path.name):
        base.load(root)
