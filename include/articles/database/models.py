"""The table `model`: the models of each run, from creation to deletion."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from include.articles.database import recommendations
from include.articles.database.recommendations import PART_ROWS
from include.articles.database.status import ModelStatusError, Status, hold, hold_group
from include.articles.database.tables import MODEL
from include.articles.settings import CLOCK_SKEW
from include.core.database.errors import RESTART_SECONDS, retry
from include.core.errors import BadDataError

log = logging.getLogger(__name__)

MAX_ERROR_CHARACTERS = 4_000
MAX_CLEANED_MODELS = 3
"""Maximum number of models that one clean-up deletes."""
ABANDONED_AFTER = timedelta(hours=24)
"""How long a model may be pending or failed before it is deleted."""


class NoRecommendationsError(BadDataError):
    """A model without recommendations cannot be served."""


class ShrunkError(BadDataError):
    """A model has far fewer sources than the model it would replace."""


@dataclass(frozen=True)
class Model:
    """A row of `model`."""

    id: int
    site: str
    type: str
    status: Status
    data_as_of: datetime
    """The instant of its run."""
    run_id: str
    error: str | None
    created_at: datetime
    updated_at: datetime


def open_models(
    engine: Engine, site: str, run_id: str, types: Iterable[str], run_at: datetime, now: datetime
) -> dict[str, int]:
    """
    Return a model of each type for a run to fill, as type → id.

    A model that an earlier attempt left pending is emptied and reused, a failed one is replaced. A promoted one stays
    as it is: check its status before filling it.
    """
    return {each: _open(engine, site, each, run_id, run_at, now) for each in types}


@retry(seconds=RESTART_SECONDS).wraps
def _open(engine: Engine, site: str, type: str, run_id: str, run_at: datetime, now: datetime) -> int:
    own = and_(MODEL.c.site == site, MODEL.c.type == type, MODEL.c.run_id == run_id)
    if (found := _first(engine, own)) and found.status == Status.FAILED:
        _delete(engine, found.id)
    try:
        with engine.begin() as connection:
            again = update(MODEL).where(own, MODEL.c.status == Status.PENDING)
            again = again.values(data_as_of=run_at, error=None, updated_at=now)
            if not connection.execute(again).rowcount and not connection.scalar(select(exists().where(own))):
                row = {"site": site, "type": type, "run_id": run_id, "data_as_of": run_at, "status": Status.PENDING}
                connection.execute(insert(MODEL), row | {"created_at": now, "updated_at": now})
    except IntegrityError:
        log.info("%s: another attempt of %s has just opened its %s model", site, run_id, type)
    model = _first(engine, own)
    if model is None:
        raise ModelStatusError(f"{site}: the {type} model of {run_id} has just been deleted")
    if model.status == Status.PENDING:
        recommendations.empty(engine, model.id)
    return model.id


def read(engine: Engine, model_id: int) -> Model:
    """
    Return a model.

    Raises:
        ModelStatusError: there is none with this id.
    """
    return _found(_first(engine, MODEL.c.id == model_id), model_id)


def current(engine: Engine, site: str, type: str) -> Model | None:
    """Return the model that is served; `None` if there is none."""
    return _first(engine, _current(site, type))


@retry(seconds=RESTART_SECONDS).wraps
def note_error(engine: Engine, site: str, run_id: str, error: str) -> None:
    """Store the text of an error with the run's pending models; a retry may still fill them."""
    with engine.begin() as connection:
        connection.execute(update(MODEL).where(_pending(site, run_id)).values(error=_bounded(error)))


@retry(seconds=RESTART_SECONDS).wraps
def fail(engine: Engine, site: str, run_id: str, error: str, now: datetime) -> None:
    """Mark the run's pending models as failed; an error stored before is kept."""
    reason = func.coalesce(MODEL.c.error, _bounded(error))
    values = {"status": Status.FAILED, "error": reason, "updated_at": now}
    with engine.begin() as connection:
        connection.execute(update(MODEL).where(_pending(site, run_id)).values(values))


@retry(seconds=RESTART_SECONDS).wraps
def promote(engine: Engine, model_id: int, now: datetime, max_shrink: float | None = None) -> Status:
    """
    Replace the current model of a site and type by a pending one, in one transaction. Idempotent.

    Args:
        engine: the database.
        model_id: a model whose recommendations are all written.
        now: the present time.
        max_shrink: share of the current model's sources that the new one may lack; `None`: any.

    Returns:
        `current`, or `stale` if the current model is of a later run, up to *now*.

    Raises:
        NoRecommendationsError: the model has no recommendation.
        ShrunkError: the model lacks more sources than allowed.
        ModelStatusError: the model has failed or does not exist.
    """
    with engine.begin() as connection:
        hold_group(connection, model_id)
        # statements from here on see what others wrote while this one waited for the lock
        own = _found(_one(connection, MODEL.c.id == model_id), model_id)
        if own.status in (Status.CURRENT, Status.STALE):
            return own.status
        if own.status == Status.FAILED:
            raise ModelStatusError(f"model {model_id} has failed, a pending one was expected")
        size = recommendations.size(connection, model_id)
        if not size.rows:
            raise NoRecommendationsError(f"model {model_id} ({own.site}, {own.type}) has no recommendation")
        served = _one(connection, _current(own.site, own.type))
        # a model of an instant in the future, which no run can have read, must not keep all others out until then
        overtaken = served is not None and own.data_as_of < served.data_as_of <= now + CLOCK_SKEW
        if served is not None and not overtaken:
            if max_shrink is not None:
                _check_sources(own, size.sources, recommendations.size(connection, served.id).sources, max_shrink)
            _set(connection, served.id, status=Status.STALE, updated_at=now)
        status = Status.STALE if overtaken else Status.CURRENT
        _set(connection, model_id, status=status, error=None, updated_at=now)
    log.info("%s: the %s model %d is %s", own.site, own.type, model_id, status)
    return status


def clean_up(engine: Engine, site: str, retention: int, now: datetime) -> dict[str, int]:
    """
    Delete old models: all but the newest stale ones of a type, and models pending or failed for `ABANDONED_AFTER`.

    At most `MAX_CLEANED_MODELS` are deleted, the oldest first; current models never.

    Args:
        engine: the database.
        site: the models' site.
        retention: number of stale models kept of each type, 0 or more.
        now: the present time.

    Returns:
        Numbers of deleted `models` and `recommendations`.
    """
    with engine.connect() as connection:
        newest_first = select(MODEL).where(MODEL.c.site == site).order_by(MODEL.c.data_as_of.desc(), MODEL.c.id.desc())
        models = [_model(row) for row in connection.execute(newest_first)]
    stale: dict[str, list[Model]] = {}
    for model in models:
        if model.status == Status.STALE:
            stale.setdefault(model.type, []).append(model)
    old = {model.id for kept in stale.values() for model in kept[retention:]}
    doomed = [model.id for model in models if model.id in old or _is_abandoned(model, now)][-MAX_CLEANED_MODELS:]
    deleted = [_delete(engine, model_id, now - ABANDONED_AFTER) for model_id in reversed(doomed)]
    cleaned = {
        "models": sum(rows is not None for rows in deleted),
        "recommendations": sum(rows or 0 for rows in deleted),
    }
    log.info("%s: deleted %s", site, cleaned)
    return cleaned


def _check_sources(own: Model, new: int, old: int, max_shrink: float) -> None:
    if old and (old - new) / old > max_shrink:
        raise ShrunkError(
            f"{own.site}: the {own.type} model {own.id} has {new} sources, the current one {old}; at most a share of "
            f"{max_shrink} may be missing (ARTICLE_RECS_MAX_SHRINK)"
        )


@retry(seconds=RESTART_SECONDS).wraps
def _delete(engine: Engine, model_id: int, abandoned: datetime | None = None) -> int | None:
    """
    Delete a model that is stale or failed, or was last updated before *abandoned*; its recommendations go first.

    Returns:
        The number of its recommendations; `None` if the model is in use or no longer exists.
    """
    if abandoned is not None:  # so that a half-deleted model cannot be promoted
        lost = and_(MODEL.c.id == model_id, MODEL.c.status == Status.PENDING, MODEL.c.updated_at < abandoned)
        with engine.begin() as connection:
            connection.execute(update(MODEL).where(lost).values(status=Status.FAILED))
    rows, deleted = 0, PART_ROWS
    while deleted == PART_ROWS:
        with engine.begin() as connection:
            try:
                hold(connection, model_id, Status.STALE, Status.FAILED)
            except ModelStatusError:
                return None
            deleted = recommendations.delete_part(connection, model_id)
            rows += deleted
            if deleted < PART_ROWS:
                connection.execute(delete(MODEL).where(MODEL.c.id == model_id))
    return rows


def _is_abandoned(model: Model, now: datetime) -> bool:
    return model.status in (Status.PENDING, Status.FAILED) and model.updated_at < now - ABANDONED_AFTER


def _pending(site: str, run_id: str) -> Any:
    return and_(MODEL.c.site == site, MODEL.c.run_id == run_id, MODEL.c.status == Status.PENDING)


def _set(connection: Connection, model_id: int, **values: Any) -> None:
    connection.execute(update(MODEL).where(MODEL.c.id == model_id).values(values))


def _current(site: str, type: str) -> Any:
    return and_(MODEL.c.site == site, MODEL.c.type == type, MODEL.c.status == Status.CURRENT)


@retry(seconds=RESTART_SECONDS).wraps
def _first(engine: Engine, condition: Any) -> Model | None:
    with engine.connect() as connection:
        return _one(connection, condition)


def _one(connection: Connection, condition: Any) -> Model | None:
    row = connection.execute(select(MODEL).where(condition)).first()
    return _model(row) if row else None


def _found(model: Model | None, model_id: int) -> Model:
    if model is None:
        raise ModelStatusError(f"there is no model {model_id}")
    return model


def _model(row: Any) -> Model:
    return Model(**{**row._mapping, "status": Status(row.status)})


def _bounded(error: str) -> str:
    return error.encode(errors="replace").decode().replace("\0", "")[:MAX_ERROR_CHARACTERS]
