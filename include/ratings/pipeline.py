"""The two steps of `ratings_train`: pin what a run works on, then train, register and promote exactly that."""

from dataclasses import asdict, dataclass, field
from importlib.metadata import version as installed
from logging import getLogger
from typing import Any

from include.core.code import code_version
from include.core.registry import ModelVersion, NewModel, Registry
from include.core.storage import StoragePath, Store, read_json
from include.ratings import base, models, reports, training
from include.ratings.ingest import ingest
from include.ratings.ledger import Ledger, UnknownVersionError
from include.ratings.settings import RatingsSettings

log = getLogger(__name__)

MODEL = "ratings"
LOADER = "include.ratings.mlflow_model"


@dataclass(frozen=True)
class Asked:
    """What somebody asked a run for, by its params."""

    model: int | None = None
    """Make this model version the champion."""
    training: int | None = None
    """Go back to this ledger version."""
    reprocess: bool = False
    """Train the newest data with today's options and code, also when nothing is new."""
    by: str = "quartet"


@dataclass(frozen=True)
class Plan:
    """What a run works on, pinned; JSON all through."""

    run: str
    by: str
    reason: str
    """Why there is something to do, or why not."""
    model: int | None = None
    """The version to go back to; then nothing is trained."""
    ledger_versions: list[int] = field(default_factory=list)
    """To train on, in this order."""
    asked: bool = False
    """Somebody asked for it: no guard, and the alias moves also without new data."""
    base_sha256: str = ""
    algorithm: str = "SVD"
    options: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """There is nothing to do."""
        return self.model is None and not self.ledger_versions


def pin(store: Store, base_data: base.Base, settings: RatingsSettings, asked: Asked, run: str, now: float) -> Plan:
    """
    Take in what has landed (or restore what was asked for) and fix what the run trains on.

    Args:
        store: the workflow's folder.
        base_data: the base ratings.
        settings: of the workflow.
        asked: the params of the run.
        run: name of the DAG run.
        now: seconds since 1970.

    Raises:
        UnknownVersionError: the model or ledger version asked for does not exist.
    """
    champion = models.champion(store.path)
    if asked.model is not None:
        if models.read_card(store.path, asked.model) is None:
            raise UnknownVersionError(f"model version {asked.model} does not exist")
        return Plan(run, asked.by, f"back to model {asked.model}", model=asked.model, asked=True)
    algorithm = read_json(store.path / "algorithm.json") or {}
    ledger = Ledger(store.below("training_table"))
    files: list[str] = []
    counts: dict[str, int] = {}
    if asked.training is not None:
        version = ledger.restored_by(run) or ledger.restore(asked.training, run, asked.by)
        versions, reason = [version], f"back to training version {asked.training} as version {version}"
    else:
        found = ingest(store, base_data.rows, run, now, coalesce=settings.coalesce)
        files, counts = found.files, found.counts()
        versions, reason = _to_train(ledger, champion, asked, settings)
    return Plan(
        run=run,
        by=asked.by,
        reason=reason,
        ledger_versions=versions,
        asked=asked.reprocess or asked.training is not None,
        base_sha256=base_data.sha256,
        algorithm=algorithm.get("algorithm", settings.algorithm),
        options=algorithm.get("options", settings.algorithm_options),
        files=files,
        counts=counts,
    )


def _to_train(
    ledger: Ledger, champion: models.Champion | None, asked: Asked, settings: RatingsSettings
) -> tuple[list[int], str]:
    if asked.reprocess:
        return [ledger.head()], "asked to reprocess"
    versions = ledger.data_versions(after=champion.decided if champion else 0)
    if versions:
        return versions[-1:] if settings.coalesce else versions, "new training data"
    if champion is None:
        return [ledger.head()], "first model"
    return [], f"nothing to do: training version {champion.decided} is the newest"


def train_and_promote(
    store: Store, plan: Plan, registry: Registry, settings: RatingsSettings, at: str
) -> reports.Report:
    """
    Do what *plan* says; done twice it is done once.

    Args:
        store: the workflow's folder.
        plan: what `pin` fixed.
        registry: keeps the models.
        settings: of the workflow.
        at: UTC, ISO 8601; the time of promotions.
    """
    if plan.model is not None:
        _promote(store.path, plan, registry, plan.model, at, decided=None)
        return reports.Report("train", plan.run, [f"model {plan.model}"], [plan.model], "reused", plan.reason)
    ledger = Ledger(store.below("training_table"))
    base_data = base.load(store.path, plan.base_sha256)
    outcomes, made = [], []
    for version in plan.ledger_versions:
        data = training.TrainingData.of(base_data.rows, ledger.rows(version))
        card, reused = _model_for(store.path, plan, registry, settings, data, version)
        made.append((card.version, reused))
        outcomes.append(_decide(store.path, plan, registry, settings, card, version, at))
    return reports.Report(
        pipeline="train",
        dag_run_id=plan.run,
        input=plan.files or [f"training version {version}" for version in plan.ledger_versions],
        output=[version for version, _ in made],
        made="reused" if all(reused for _, reused in made) else "computed",
        reason=f"{plan.reason}; {'; '.join(outcomes)}",
        counts=plan.counts,
    )


def _model_for(
    root: StoragePath,
    plan: Plan,
    registry: Registry,
    settings: RatingsSettings,
    data: training.TrainingData,
    version: int,
) -> tuple[ModelVersion, bool]:
    recipe = training.Recipe(data.fingerprint(), plan.base_sha256, plan.algorithm, plan.options, settings.seed)
    found = registry.find(MODEL, recipe.tags()["recipe"])
    reused = found is not None
    if found is None:
        trained = training.train(data, recipe)
        tags = {"training_version": str(version), "dag_run_id": plan.run, "quartet": code_version()}
        new = NewModel(
            artefact=trained.artefact,
            loader_module=LOADER,
            params={"algorithm": plan.algorithm, "seed": settings.seed, "training_version": version, **plan.options},
            metrics=trained.metrics,
            tags=recipe.tags() | tags,
            requirements=[f"{name}=={installed(name)}" for name in ("scikit-surprise", "numpy", "pandas")],
        )
        found = registry.register(MODEL, new)
        log.info("Training version %d: model %d fitted, %s", version, found.version, trained.metrics)
    else:
        log.info("Training version %d: model %d has the same recipe and is reused", version, found.version)
    models.write_card(root, found)
    return found, reused


def _decide(
    root: StoragePath,
    plan: Plan,
    registry: Registry,
    settings: RatingsSettings,
    card: ModelVersion,
    version: int,
    at: str,
) -> str:
    champion = models.champion(root)
    if champion and champion.version == card.version:
        models.settle(root, version)
        registry.promote(MODEL, card.version)
        return f"model {card.version} is the champion"
    if champion and not plan.asked and version <= champion.decided:  # an old run that was cleared
        return f"model {card.version} is left: training version {champion.decided} has been decided"
    if reason := None if plan.asked else _why_not(root, champion, card, settings):
        models.settle(root, version)
        log.warning("Model %d is not promoted: %s", card.version, reason)
        return f"model {card.version} is not promoted: {reason}"
    _promote(root, plan, registry, card.version, at, decided=version)
    return f"model {card.version} is the new champion"


def _why_not(
    root: StoragePath, champion: models.Champion | None, card: ModelVersion, settings: RatingsSettings
) -> str | None:
    best = models.read_card(root, champion.version) if champion else None
    limit = settings.rmse_rise_limit
    if best is None or limit is None or best.tags["base_sha256"] != card.tags["base_sha256"]:
        return None
    rise = card.metrics["holdout_rmse"] - best.metrics["holdout_rmse"]
    if rise <= limit:
        return None
    return (
        f"holdout RMSE {card.metrics['holdout_rmse']:.4f} is {rise:.4f} above that of model {best.version}, "
        f"RATINGS_MAX_RMSE_RISE allows {limit:g}"
    )


def _promote(root: StoragePath, plan: Plan, registry: Registry, version: int, at: str, decided: int | None) -> None:
    registry.promote(MODEL, version)
    models.promote(root, version, at, by=plan.by, reason=plan.reason, run=plan.run, decided=decided)
    log.info("Model %d is the champion (%s)", version, plan.reason)


def nothing_done(plan: Plan) -> reports.Report:
    """Report a run that had nothing to do."""
    return reports.Report("train", plan.run, [], [], "nothing", plan.reason, plan.counts)


def as_json(plan: Plan) -> dict[str, Any]:
    """Give *plan* as it goes from task to task."""
    return asdict(plan)
