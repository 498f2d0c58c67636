"""The model versions: found again by their recipe, fitted if necessary, made again when their file is lost."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as installed
from logging import getLogger

from include.core.code import code_version
from include.core.errors import BadDataError, DamagedObjectError
from include.core.registry import ModelVersion, NewModel, Registry
from include.core.storage import StoragePath, classify_error, read_bytes
from include.core.web import Trouble
from include.ratings.models import cards
from include.ratings.models.cards import MODEL
from include.ratings.models.champion import read_champion
from include.ratings.models.training import Recipe, Trained, TrainingData, train

log = getLogger(__name__)

LOADER = "include.ratings.mlflow_model"


@dataclass(frozen=True)
class ModelVersions:
    """The versions of the registered model, with their cards and files."""

    root: StoragePath
    """The workflow's folder."""
    stored: Callable[[str], StoragePath]
    """Returns a path below the root of the platform's storage."""
    registry: Registry

    def restore(self) -> None:
        """Register again what the registry has lost; without that it would give the numbers of old models again."""
        versions = cards.versions(self.root)
        newest = cards.read_card(self.root, versions[0]) if versions else None
        if newest is None:
            return
        found = self.registry.find(MODEL, newest.tags["recipe"])
        if found and found.version >= newest.version:
            return
        log.warning("The registry does not have model %d; what it has lost is registered again", newest.version)
        self.registry.restore(MODEL, [card for version in versions if (card := cards.read_card(self.root, version))])
        if champion := read_champion(self.root):
            self.registry.promote(MODEL, champion.version)

    def damage(self, card: ModelVersion) -> str | None:
        """Return what is wrong with the file of a version; `None`: it is what was written."""
        path = self.stored(card.artefact)
        try:
            read_bytes(path, sha256=card.sha256)
        except DamagedObjectError as error:
            return str(error)
        except OSError as error:
            if classify_error(path, error) is Trouble.TRANSIENT:
                raise
            return f"{path} cannot be read: {error.strerror or type(error).__name__}"
        return None

    def provide(self, recipe: Recipe, data: TrainingData, training_version: int, run: str) -> tuple[ModelVersion, bool]:
        """
        Return the model of a recipe, with its card; fit it if there is none whose file is whole.

        Args:
            recipe: what determines the model.
            data: the rows to fit on.
            training_version: version of the training table with these rows.
            run: the DAG run that does it.

        Returns:
            The model version, and whether it was there before.
        """
        found = self._find(recipe)
        damage = self.damage(found) if found else None
        if found and damage is None:
            log.info("Training version %d: model %d has the same recipe and is reused", training_version, found.version)
            cards.write_card(self.root, found)
            return found, True
        trained = train(data, recipe)
        new = _new_model(recipe, trained, training_version, run)
        if found and hashlib.sha256(trained.artefact).hexdigest() == found.sha256:
            log.warning("Model %d is made again: %s", found.version, damage)
            self.registry.rewrite(MODEL, found, new)
        else:
            found = self.registry.register(MODEL, new)
        log.info("Training version %d: model %d fitted, %s", training_version, found.version, trained.metrics)
        cards.write_card(self.root, found)
        return found, False

    def _find(self, recipe: Recipe) -> ModelVersion | None:
        found = self.registry.find(MODEL, recipe.tags()["recipe"])
        if found is None:
            return None
        card = cards.read_card(self.root, found.version)
        if card is None:  # a training died before it wrote the card; without its run the metrics are unknown
            return found if found.metrics else None
        if card.sha256 == found.sha256:
            return card
        log.warning("Model %d of the registry is not that of its card, and is not reused", found.version)
        return None

    def recipe_of(self, card: ModelVersion, data: TrainingData) -> Recipe:
        """
        Return the recipe that a version was trained by, with the libraries and the code of today.

        Raises:
            BadDataError: *data* are not those that it was trained on.
        """
        recipe = Recipe.from_tags(card.tags)
        if data.fingerprint() != recipe.training_fingerprint:
            raise BadDataError(f"model {card.version} cannot be made again: its training data are not what they were")
        return recipe


def _new_model(recipe: Recipe, trained: Trained, training_version: int, run: str) -> NewModel:
    tags = {"training_version": str(training_version), "dag_run_id": run, "quartet": code_version()}
    params = {"algorithm": recipe.algorithm, "seed": recipe.seed, "training_version": training_version}
    return NewModel(
        artefact=trained.artefact,
        loader_module=LOADER,
        params={**params, **recipe.options},
        metrics=trained.metrics,
        tags=recipe.tags() | tags,
        requirements=[f"{name}=={installed(name)}" for name in ("scikit-surprise", "numpy", "pandas")],
    )
