"""The status of a model, and locks that keep it from changing.

pending → current → stale → deleted; pending → failed → deleted; pending → stale for a run overtaken by a newer one.
"""

from enum import StrEnum

from sqlalchemy import Connection, select

from include.articles.database.tables import MODEL
from include.core.errors import BadDataError


class Status(StrEnum):
    """Status of a model."""

    PENDING = "pending"
    CURRENT = "current"
    STALE = "stale"
    FAILED = "failed"


class ModelStatusError(BadDataError):
    """A model does not have the required status, or does not exist."""


def hold(connection: Connection, model_id: int, *expected: Status) -> None:
    """
    Lock the status of a model until the transaction ends.

    Raises:
        ModelStatusError: the status is not among those expected, or the model does not exist.
    """
    # the same lock as UPDATE takes; a stronger one would wait for writers of rows that refer to the model
    found = connection.scalar(select(MODEL.c.status).where(MODEL.c.id == model_id).with_for_update(key_share=True))
    if found not in expected:
        raise ModelStatusError(f"model {model_id} is {found or 'gone'}, {' or '.join(expected)} was expected")


def hold_group(connection: Connection, model_id: int) -> None:
    """Lock the status of all models of the same site and type until the transaction ends."""
    own = connection.execute(select(MODEL.c.site, MODEL.c.type).where(MODEL.c.id == model_id)).first()
    if own is not None:
        group = select(MODEL.c.id).where(MODEL.c.site == own.site, MODEL.c.type == own.type)
        connection.execute(group.order_by(MODEL.c.id).with_for_update(key_share=True)).all()
