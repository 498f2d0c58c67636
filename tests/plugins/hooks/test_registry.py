"""The registry hook on a real MLflow, with SQLite and files, and with S3."""

import hashlib
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from surprise import BaselineOnly

from deploy.demo.ratings.generate import movielens_like
from include.core.errors import DamagedObjectError
from include.core.registry import NewModel
from include.core.storage import read_bytes, walk_objects
from include.ratings import mlflow_model
from include.ratings.data import base
from include.ratings.data.dataset import RatingDataset
from include.ratings.models import training
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook


def register(hook: RegistryHook, recipe: str = "r1", artefact: bytes = b"model", run: str = "run-1"):
    new = NewModel(
        artefact=artefact,
        loader_module="include.ratings.mlflow_model",
        params={"algorithm": "SVD"},
        metrics={"holdout_rmse": 0.9},
        tags={"recipe": recipe, "dag_run_id": run},
        requirements=["scikit-surprise"],
    )
    return hook.register("ratings", new)


@pytest.fixture
def hook(registry_home) -> RegistryHook:
    return RegistryHook()


def test_a_version_has_its_file_tags_and_metrics(hook):
    version = register(hook)
    assert (version.version, version.metrics) == (1, {"holdout_rmse": 0.9})
    assert version.tags["sha256"] == hashlib.sha256(b"model").hexdigest()
    assert read_bytes(StorageHook().path(version.artefact), sha256=version.tags["sha256"]) == b"model"
    assert hook.find("ratings", "r1") == version


def test_a_version_is_found_by_its_recipe(hook):
    assert hook.find("ratings", "r1") is None
    register(hook)
    register(hook, "r2")
    assert hook.find("ratings", "r2").version == 2


def test_the_champion_moves(hook):
    register(hook)
    register(hook, "r2")
    for version in (2, 1):
        hook.promote("ratings", version)
        assert int(hook.client().get_model_version_by_alias("ratings", "champion").version) == version


def test_a_file_that_reads_back_differently_leaves_no_version(hook, monkeypatch):
    def damaged(path, sha256=None):
        raise DamagedObjectError("damaged")

    monkeypatch.setattr("quartet.hooks.registry.hook.read_bytes", damaged)
    with pytest.raises(DamagedObjectError):
        register(hook)
    assert hook.find("ratings", "r1") is None
    monkeypatch.undo()


def test_the_run_of_a_killed_try_is_marked_by_the_next(hook):
    left = hook.client().create_run(hook.experiment("ratings"), tags={"recipe": "r1"}).info.run_id
    register(hook)
    assert hook.client().get_run(left).info.status == "KILLED"


def test_mlflow_users_can_load_a_model(hook, registry_home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registry_home}/mlflow.db")
    import mlflow.pyfunc

    rows = base.parse(movielens_like(seed=1, ratings=1_500))
    model = BaselineOnly(verbose=False).fit(RatingDataset(rows).full_trainset())
    register(hook, artefact=training.dump(model))
    hook.promote("ratings", 1)
    loaded = mlflow.pyfunc.load_model("models:/ratings@champion")
    found = loaded.predict(pd.DataFrame({"user": ["1", "x"], "movie": ["1", "y"]}))
    assert np.allclose(found, [model.predict("1", "1").est, model.predict("x", "y").est])


def test_the_loader_reads_a_dump(tmp_path):
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps({"predictions": None, "algo": "an algorithm"}))
    assert mlflow_model._load_pyfunc(str(path)).algorithm == "an algorithm"


def test_a_record_has_children_and_files_and_is_replaced_when_made_again(hook):
    def record(value: float) -> str:
        return hook.record(
            "selection",
            "run-1",
            params={"folds": 5},
            tags={"chosen": "SVD"},
            children={"SVD": {"rmse": value, "options": {"a": 1}, "error": None}},
            files={"table.csv": b"a,b\n"},
        )

    record(0.9)
    parent = record(0.8)
    runs = hook.client().search_runs([hook.experiment("selection")])
    assert sorted(run.info.run_name for run in runs) == ["SVD", "run-1"]
    (child,) = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    assert (child.data.metrics, child.data.params) == ({"rmse": 0.8}, {"options": "{'a': 1}"})
    assert StorageHook().path("mlflow", "selection", parent, "artifacts", "table.csv").read_bytes() == b"a,b\n"


def test_on_s3_the_storage_s_connection_is_used_and_the_environment_stays_as_it_is(registry_home, s3_storage):
    hook = RegistryHook()
    before = dict(os.environ)
    version = register(hook)
    assert dict(os.environ) == before
    assert read_bytes(StorageHook().path(version.artefact)) == b"model"
    names = walk_objects(StorageHook().path("mlflow", "ratings", version.run_id, "artifacts", "model"))
    assert {"MLmodel", "data/model.pickle", "requirements.txt"} <= set(names)


def test_threads_register_side_by_side_on_s3(registry_home, s3_storage):
    register(RegistryHook())
    with ThreadPoolExecutor(3) as threads:
        recipes = [f"thread-{number}" for number in range(6)]
        artefacts = [recipe.encode() for recipe in recipes]
        versions = list(threads.map(lambda *arguments: register(RegistryHook(), *arguments), recipes, artefacts))
    assert sorted(each.version for each in versions) == [2, 3, 4, 5, 6, 7]
    for version, artefact in zip(versions, artefacts, strict=True):
        assert read_bytes(StorageHook().path(version.artefact)) == artefact


def test_files_go_where_an_earlier_experiment_has_them(hook, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    hook.client().create_experiment("selection", artifact_location=elsewhere.as_uri())
    run_id = hook.record("selection", "run-1", params={}, tags={}, files={"table.csv": b"a,b\n"})
    assert (elsewhere / run_id / "artifacts" / "table.csv").read_bytes() == b"a,b\n"


def content(hook: RegistryHook, version) -> bytes:
    return read_bytes(StorageHook().path(version.artefact), sha256=version.sha256)


def test_of_two_versions_of_a_recipe_the_newest_is_found(hook):
    register(hook)
    register(hook, artefact=b"another")
    assert hook.find("ratings", "r1").version == 2


def test_a_deleted_experiment_is_restored(hook):
    register(hook)
    hook.client().delete_experiment(hook.experiment("ratings"))
    assert register(hook, "r2").version == 2
    assert hook.find("ratings", "r1").metrics == {"holdout_rmse": 0.9}


@pytest.mark.parametrize("copied", [True, False])
def test_after_a_move_of_the_storage_files_are_written_and_read_there(hook, registry_home, monkeypatch, copied):
    first = register(hook)
    old, new = registry_home / "data", registry_home / "elsewhere" / "data"
    new.parent.mkdir()
    if copied:
        old.rename(new)
    monkeypatch.setenv("QUARTET_STORAGE", f"file://{new}")
    second = register(hook, "r2", b"second")
    assert content(hook, second) == b"second"
    assert (new / second.artefact).is_file()
    assert (
        hook.client().get_run(second.run_id).info.artifact_uri
        == f"file://{new}/mlflow/ratings/{second.run_id}/artifacts"
    )
    assert second.version == 2
    assert old.exists() is not copied
    if copied:
        assert content(hook, hook.find("ratings", "r1")) == b"model"
    assert register(hook, "r3").version == 3
    monkeypatch.setenv("QUARTET_STORAGE", f"file://{old}")
    back = register(hook, "r4", b"back")
    assert (content(hook, back), first.version) == (b"back", 1)


@pytest.mark.parametrize("lost", ["model", "everything"])
def test_lost_versions_are_registered_again_under_their_numbers(hook, registry_home, empty_registry, lost, monkeypatch):
    known = [register(hook, f"r{number}", f"{number}".encode()) for number in range(1, 5)]
    if lost == "model":
        hook.client().delete_registered_model("ratings")
    else:
        shutil.copy(empty_registry, registry_home / "other.db")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registry_home}/other.db")
    hook.promote("ratings", 1)  # no error
    hook.restore("ratings", [known[0], known[2], known[3]])
    found = [hook.find("ratings", f"r{number}") for number in (1, 2, 3, 4)]
    assert [each and each.version for each in found] == [1, None, 3, 4]
    for each, before in zip((found[0], found[2], found[3]), (known[0], known[2], known[3]), strict=True):
        assert (each.tags, each.metrics, each.artefact) == (before.tags, before.metrics, before.artefact)
        assert content(hook, each) == f"{before.version}".encode()
    hook.promote("ratings", 3)
    assert register(hook, "r5").version == 5
    hook.restore("ratings", known)
    assert register(hook, "r6").version == 6


def test_a_number_that_mlflow_has_deleted_is_not_given_again(hook):
    known = [register(hook, f"r{number}") for number in (1, 2)]
    hook.client().delete_model_version("ratings", "2")
    hook.restore("ratings", known)
    assert register(hook, "r3").version > 2


def test_the_files_of_a_version_are_written_again(hook):
    version = register(hook)
    folder = StorageHook().path("mlflow", "ratings", version.run_id)
    before = set(walk_objects(folder))
    shutil.rmtree(folder.path)
    new = NewModel(b"model", "include.ratings.mlflow_model", {}, {}, {}, ["scikit-surprise"])
    hook.rewrite("ratings", version, new)
    assert content(hook, version) == b"model"
    assert set(walk_objects(folder)) == before
    with pytest.raises(DamagedObjectError):
        hook.rewrite("ratings", version, replace(new, artefact=b"another"))
