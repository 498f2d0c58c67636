"""Column types with the same meaning in every database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, TypeDecorator

BIG_ID = BigInteger().with_variant(Integer, "sqlite")
"""An auto-incremented 64-bit key; SQLite auto-increments only INTEGER, which has 64 bits there."""


class Instant(TypeDecorator[datetime]):
    """An instant in any time zone, stored and returned in UTC. A time without a zone is rejected."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return the instant in UTC, without its zone for SQLite, which does not support zones."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time with a zone was expected, found {value.isoformat()}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
