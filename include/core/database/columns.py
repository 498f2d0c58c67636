"""Types of columns that mean the same on every database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, TypeDecorator

BIG_ID = BigInteger().with_variant(Integer, "sqlite")
"""A key of 64 bits that the database counts up; SQLite does that for INTEGER only, which has 64 bits there."""


class Instant(TypeDecorator[datetime]):
    """An instant with its zone: given in any, kept and returned in UTC. A time without a zone is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Give the instant in UTC; SQLite, which has no zones, gets it without."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time with its zone was expected, found {value.isoformat()}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
