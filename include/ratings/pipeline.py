"""The steps of the DAGs `ratings_train`, `ratings_predict` and `ratings_model_selection`."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from logging import getLogger
from typing import TYPE_CHECKING, Any

from include.core.errors import BadDataError, DamagedObjectError, NothingToDoError
from include.core.registry import ModelVersion, Registry
from include.core.storage import StoragePath, Store
from include.core.text import printable
from include.ratings import layout, report
from include.ratings.data import base, landing
from include.ratings.errors import UnknownVersionError
from include.ratings.models import cards, champion
from include.ratings.models.champion import read_champion
from include.ratings.predictions import files, predict
from include.ratings.report import Report
from include.ratings.request import Run, SelectionRequest
from include.ratings.settings import RatingsSettings

if TYPE_CHECKING:
    from include.ratings.data.ledger import Ledger
    from include.ratings.models.training import TrainingData
    from include.ratings.models.versions import ModelVersions
    from include.ratings.plan import Plan

log = getLogger(__name__)

SELECTION = "ratings_selection"
"""Name of the registry's experiment for model selections."""
MAX_FILES_REPORTED = 100

Metrics = Mapping[str, float | None]


@dataclass(frozen=True)
class Dependencies:
    """Everything that a run uses outside itself."""

    store: Store
    """The workflow's folder."""
    stored: Callable[[str], StoragePath]
    """Returns a path below the root of the platform's storage."""
    registry: Registry
    fetch_base: Callable[[], tuple[bytes, str]]
    """Downloads the base data: content of `u.data`, address."""
    clock: Callable[[], datetime]
    """Returns the time, with its zone."""
    note: Callable[[str], object]
    """Sets the note of the DAG run."""
    measure: Callable[[Callable[[], Metrics]], None]
    """Sends the metrics that a function returns; errors of it are logged."""


class Pipeline:
    """
    The steps of a DAG run. Each may die at any line and be run again.

    Delta, Surprise and what draws charts are imported by the steps that need them, so that predicting starts fast.
    """

    def __init__(self, dependencies: Dependencies, settings: RatingsSettings, run: Run) -> None:
        self.dependencies = dependencies
        self.settings = settings
        self.run = run
        self.store = dependencies.store
        self.root = dependencies.store.path
        self.registry = dependencies.registry

    def ingest(self) -> dict[str, Any]:
        """
        Ingest what has landed, or restore what was asked for, and pin what the run trains on.

        Returns:
            A `Plan` as JSON.

        Raises:
            NothingToDoError: there is nothing new.
            UnknownVersionError: the model or table version asked for does not exist.
        """
        from include.ratings.plan import Plan, make_plan

        if done := report.finished(self.root, "train", self.run.id):
            return asdict(Plan(self.run.id, self.run.by, done.reason))
        plan = make_plan(self.run, self.store, self._provide_base(), self.settings, self._now())
        if plan.is_empty and (lost := self._lost_champion()):
            plan = replace(plan, model=lost, reason=f"the file of model {lost} was lost or damaged")
        if plan.is_empty:
            self._finish(Report("train", self.run.id, [], [], "nothing", plan.reason, plan.counts))
        return asdict(plan)

    def train(self, plan: Mapping[str, Any]) -> None:
        """Train, register and promote what `ingest` has pinned. A finished run only makes again what was lost."""
        from include.ratings.plan import Plan

        self._models().restore()
        if done := report.finished(self.root, "train", self.run.id):
            for version in done.output:
                self._whole(version, self.run.id)
        else:
            done = self._train(Plan(**plan))
        self._finish(done, lambda: report.state_metrics(self.store, self._now()))

    def predict(self) -> None:
        """
        Predict the landed files that the champion has not predicted, those without any prediction first.

        Raises:
            NothingToDoError: there is no such file, or no champion.
            DamagedObjectError: the champion's artefact is not what was written; clients who wait see the error.
            OSError: the storage is not available.
        """
        self._finish(self._predict(), lambda: report.queue_metrics(self.root, self._now()))

    def pin(self) -> dict[str, Any]:
        """
        Pin the data that all algorithms are compared on.

        Raises:
            UnknownVersionError: the table version asked for does not exist.
        """
        base_data, ledger = self._provide_base(), self._ledger()
        asked = self._selection().training
        version = ledger.head() if asked is None else asked
        ledger.check_version(version)
        return {"training_version": version, "base_sha256": base_data.sha256}

    def plan(self) -> list[dict[str, Any]]:
        """
        Return what is evaluated: each algorithm on each fold.

        Raises:
            BadDataError: an algorithm cannot be constructed, or options are given for one that is not compared.
        """
        from include.ratings.models import selection

        asked = self._selection()
        cells = selection.cells(asked.algorithms, asked.options, asked.folds, asked.seed)
        return [asdict(cell) for cell in cells]

    def evaluate(self, cell: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """Measure one algorithm on one fold of the pinned *data*."""
        from include.ratings.models import selection

        asked = self._selection()
        rows = self._training_data(data["base_sha256"], data["training_version"]).rows
        return asdict(selection.evaluate(rows, selection.Cell(**cell), asked.folds, asked.seed))

    def report(self, outcomes: list[dict[str, Any]], data: Mapping[str, Any]) -> dict[str, Any]:
        """Compare the outcomes, choose an algorithm, record table and chart; what a finished run has chosen stays."""
        from include.ratings.models import chart, selection

        asked, at = self._selection(), self.run.due.isoformat()
        if done := selection.saved(self.root, self.run.id, at):  # the run was cleared
            self.dependencies.note(done["note"])
            return {"chosen": done["chosen"]}
        found = selection.compare(outcomes, asked.options, asked.max_fit_seconds)
        title = f"{asked.folds}-fold cross-validation, training version {data['training_version']}: {found.note}"
        self.registry.record(
            SELECTION,
            self.run.id,
            params={**data, "folds": asked.folds, "seed": asked.seed},
            tags={"chosen": str(found.chosen)},
            children=found.by_algorithm(),
            files={"comparison.csv": found.table(), "comparison.svg": chart.draw(found, title)},
        )
        selection.save(self.root, self.run.id, at, found, use=asked.use, note=title)
        self.dependencies.note(title)
        return {"chosen": found.chosen}

    def _finish(self, done: Report, measure: Callable[[], Metrics] | None = None) -> None:
        if earlier := report.finished(self.root, done.pipeline, done.dag_run_id):  # the run was cleared
            done = earlier
        else:
            report.write(self.root, done)
        if measure:
            self.dependencies.measure(measure)
        if done.made == "nothing":
            raise NothingToDoError(done.note)
        self.dependencies.note(done.note)

    def _train(self, plan: "Plan") -> Report:
        if plan.model is not None:
            return self._back_to(plan, plan.model)
        outcomes, output, reused = [], [], []
        for version in plan.ledger_versions:
            card, is_reused = self._model_for(plan, version)
            output.append(card.version)
            reused.append(is_reused)
            outcomes.append(self._decide(plan, card, version))
        return Report(
            pipeline="train",
            dag_run_id=plan.run,
            input=plan.files or [f"training version {version}" for version in plan.ledger_versions],
            output=output,
            made="reused" if all(reused) else "computed",
            reason=f"{plan.reason}; {'; '.join(outcomes)}",
            counts=plan.counts,
        )

    def _model_for(self, plan: "Plan", version: int) -> tuple[ModelVersion, bool]:
        """Return the model of this version of the training table, and whether it was trained before."""
        from include.ratings.models.training import Recipe

        data = self._training_data(plan.base_sha256, version)
        recipe = Recipe(data.fingerprint(), plan.base_sha256, plan.algorithm, plan.options, self.settings.seed)
        return self._models().provide(recipe, data, version, plan.run)

    def _back_to(self, plan: "Plan", version: int) -> Report:
        """Promote an earlier model; one whose file is lost is made again first."""
        card = cards.read_card(self.root, version)
        if card and (reason := champion.why_barred(card)):
            raise BadDataError(f"model {version} is never promoted: {reason}")
        if champion.was_moved_by(self.root, plan.run):
            reason = f"{plan.reason} has been done; what came after it stays"
            return Report("train", plan.run, [f"model {version}"], [version], "reused", reason)
        made, reused = self._whole(version, plan.run)
        self._promote(plan, made)
        reason = plan.reason
        if not reused:
            reason += "; its file was made again" if made == version else f"; it was made again as model {made}"
        made_how = "reused" if reused else "computed"
        return Report("train", plan.run, [f"model {version}"], [made], made_how, reason)

    def _lost_champion(self) -> int | None:
        """Return the champion's version if its file is lost or damaged."""
        current = read_champion(self.root)
        card = cards.read_card(self.root, current.version) if current else None
        return card.version if card and self._models().damage(card) else None

    def _whole(self, version: int, run: str) -> tuple[int, bool]:
        """Return a version with the recipe of *version* and a whole file, and whether it was there before."""
        models, card = self._models(), cards.read_card(self.root, version)
        if card is None:
            raise UnknownVersionError(f"model version {version} does not exist")
        if (damage := models.damage(card)) is None:
            return version, True
        log.warning("Model %d is to be made again: %s", version, damage)
        training_version = cards.training_version(card)
        data = self._training_data(card.tags["base_sha256"], training_version)
        made, reused = models.provide(models.recipe_of(card, data), data, training_version, run)
        return made.version, reused

    def _decide(self, plan: "Plan", card: ModelVersion, version: int) -> str:
        """Promote a model unless it is worse than the champion or useless; return the outcome in a few words."""
        current = read_champion(self.root)
        if current and current.version == card.version:
            champion.settle(self.root, version)
            self.registry.promote(cards.MODEL, card.version)
            return f"model {card.version} is the champion"
        if current and (version < current.decided or (version == current.decided and not plan.asked)):
            # an old run that was cleared before it was finished
            return f"model {card.version} is left: training version {current.decided} has been decided"
        best = cards.read_card(self.root, current.version) if current and not plan.asked else None
        if reason := champion.why_not_promoted(best, card, self.settings.rmse_rise_limit):
            champion.settle(self.root, version)
            log.warning("Model %d is not promoted: %s", card.version, reason)
            return f"model {card.version} is not promoted: {reason}"
        self._promote(plan, card.version, decided=version)
        return f"model {card.version} is the new champion"

    def _promote(self, plan: "Plan", version: int, decided: int | None = None) -> None:
        at = self.dependencies.clock().isoformat()
        self.registry.promote(cards.MODEL, version)
        champion.promote(self.root, version, at, by=plan.by, reason=plan.reason, run=plan.run, decided=decided)
        log.info("Model %d is the champion (%s)", version, plan.reason)

    def _predict(self) -> Report:
        current = read_champion(self.root)
        if current is None:
            counts = {"files_waiting": len(landing.landed(self.root, "streaming"))}
            return Report("predict", self.run.id, [], [], "nothing", "no champion yet", counts)
        version = current.version
        pending = predict.pending(self.root, current, self._now())
        pending, refused = predict.without_changed(self.root, pending, current, self._now())
        if not pending.all:
            reason = f"nothing to do: model {version} has predicted all files"
            counts = {"files_refused": refused} if refused else {}
            return Report("predict", self.run.id, [], [version], "nothing", reason, counts)
        model = self._load(version)
        counts = Counter({"refused": refused} if refused else {})
        counts += predict.predict_all(self.root, pending, model, current, run=self.run.id, clock=self._now)
        return Report(
            pipeline="predict",
            dag_run_id=self.run.id,
            input=[printable(each.name) for each in pending.all[:MAX_FILES_REPORTED]],
            output=[version],
            made="computed" if counts.get("computed") else "reused",
            reason=f"predicted by model {version}",
            counts={f"files_{name}": count for name, count in sorted(counts.items())},
        )

    def _load(self, version: int) -> Any:
        """Load the model of a version; a failure is recorded for clients who wait."""
        from include.ratings.models import training

        try:
            card = cards.read_card(self.root, version)
            if card is None:
                raise DamagedObjectError(f"model {version} has no card")
            model = training.load(self.dependencies.stored(card.artefact), card.sha256)
        except (DamagedObjectError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
            reason = f"{error}; a run of ratings_train makes the model again"
            files.record_failure(self.root, version, reason, self.run.id)
            raise DamagedObjectError(reason) from error
        except Exception as error:  # a model is code, and loading it may raise anything
            files.record_failure(self.root, version, str(error), self.run.id)
            raise
        files.clear_failure(self.root, version)
        return model

    def _provide_base(self) -> base.Base:
        return base.provide(self.root, self.settings.movielens_100k, self.dependencies.fetch_base)

    def _models(self) -> "ModelVersions":
        from include.ratings.models.versions import ModelVersions

        return ModelVersions(self.root, self.dependencies.stored, self.registry)

    def _training_data(self, base_sha256: str, version: int) -> "TrainingData":
        from include.ratings.models.training import TrainingData

        return TrainingData.of(base.load(self.root, base_sha256).rows, self._ledger().rows(version))

    def _ledger(self) -> "Ledger":
        from include.ratings.data.ledger import Ledger

        return Ledger(layout.training_table(self.store))

    def _selection(self) -> SelectionRequest:
        return SelectionRequest.from_params(self.run.params)

    def _now(self) -> float:
        return self.dependencies.clock().timestamp()
