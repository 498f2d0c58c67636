"""Ratings: a first training on a slice of the real base data, more ratings, predictions. MLflow and Delta are real."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.demo.ratings.generate import movielens_like
from include.core.storage import Store
from include.ratings import layout
from include.ratings.data import base
from include.ratings.models import cards
from include.ratings.models.champion import read_champion
from include.ratings.pipeline import Dependencies, Pipeline
from include.ratings.request import Run
from include.ratings.settings import RatingsSettings
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook
from tests.crash import dumps
from tests.crash.harness import Results, Scenario

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
ROWS = 1_000
RATINGS = "1 1 5 100\n1 50 4 101\nnew 50 3 102\n"
PAIRS = "1 1\n1 50\nnew 50\n"


class Ratings(Scenario):
    """The DAGs `ratings_train` and `ratings_predict`."""

    imports = (
        "include.ratings.data.ledger", "include.ratings.models.training", "include.ratings.models.versions",
        "include.ratings.predictions.predict", "include.ratings.plan", "mlflow.pyfunc",
        "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
    )  # fmt: skip
    steps = ("ingest", "train", "predict")

    def _pipeline(self, folder: Path) -> Pipeline:
        os.environ["QUARTET_HOME"] = str(folder)
        os.environ.pop("MOVIELENS_100K", None)
        storage = StorageHook()
        dependencies = Dependencies(
            store=Store(folder / "data" / "ratings", f"{folder}/data/ratings"),
            stored=storage.path,
            registry=RegistryHook(),
            fetch_base=_fetch,
            clock=lambda: NOW,
            note=lambda _: None,
            measure=lambda _: None,
        )
        return Pipeline(dependencies, RatingsSettings(algorithm="BaselineOnly"), Run("run", NOW, "quartet"))

    def warm_up(self) -> None:
        """Have MLflow look at the installed packages, which takes two seconds."""
        from mlflow.utils.requirements_utils import _init_modules_to_packages_map

        _init_modules_to_packages_map()

    def prepare(self, folder: Path) -> None:
        """Write base data, a file of ratings and one of pairs."""
        data = _base()
        os.environ["QUARTET_HOME"] = str(folder)
        os.environ.pop("MOVIELENS_100K", None)  # only a slice of it is the base data
        RegistryHook().client().search_experiments()  # makes MLflow's tables
        root = folder / "data" / "ratings"
        base.store(root, data, "test")
        for repo, text in (("training", RATINGS), ("streaming", PAIRS)):
            path = layout.landed_file(root, repo, "a.txt")
            Path(path).parent.mkdir(parents=True)
            Path(path).write_text(text)

    def run(self, folder: Path, step: str, results: Results) -> Any:
        """Run a step."""
        pipeline = self._pipeline(folder)
        return pipeline.train(results["ingest"]) if step == "train" else getattr(pipeline, step)()

    def dump(self, folder: Path) -> dict[str, Any]:
        """Return all files, the rows of the table, versions and aliases of the registry."""
        root = folder / "data" / "ratings"
        found = dumps.files(root, without=("training_table", "changes"), volatile=VOLATILE)
        found |= dumps.delta(root / "training_table")
        tables = dumps.sqlite(folder / "mlflow.db", without=VOLATILE)
        for name in ("model_versions", "registered_model_aliases", "model_version_tags"):
            found[name] = [dumps.HEX.sub("#", row) for row in tables[f"mlflow.db:{name}"]]
        return found

    def view(self, folder: Path) -> Any:
        """Return the champion, whether its file is whole, and the predictions that count."""
        root = folder / "data" / "ratings"
        champion = read_champion(root)
        if champion is None:
            return None
        pipeline = self._pipeline(folder)
        card = cards.read_card(root, champion.version)
        damage = pipeline._models().damage(card) if card else "it has no card"
        return champion.version, damage, dumps.files(Path(layout.predictions(root)))


VOLATILE = (
    "creation_time",
    "last_updated_time",
    "created_at",
    "seconds",
    "fit_seconds",
    "predict_seconds",
    "source",
    "made",
    "reason",
    "note",
    "counts",
    "input",
)
"""Times, and in reports what the last attempt did: one after a fault finds some of it done."""


def _fetch() -> tuple[bytes, str]:
    raise AssertionError("the base data are stored; nothing is downloaded")


def _base() -> bytes:
    """Return the first ratings of MovieLens 100K where it is, else generated ones."""
    real = Path(os.environ.get("MOVIELENS_100K", "")) / "u.data"
    if os.environ.get("MOVIELENS_100K") and real.is_file():
        return b"".join(real.read_bytes().splitlines(keepends=True)[:ROWS])
    return movielens_like(seed=1, ratings=ROWS)
