"""The rules on Spark's frames: long plays, their listeners, the dataset, its counts, the lines of an output."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, TimestampType

from include.songs.rules import LONG_SECONDS
from include.songs.schemas import BLANKED, DATASET, GROUP, KEY, LISTENERS, SPINS

_INSTANT = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"


def only_long_plays(spins: DataFrame) -> DataFrame:
    """Return the plays that lasted long enough; needs only the column `elapsed_seconds`."""
    return spins.where(F.col("elapsed_seconds") > LONG_SECONDS)


def valid_texts(rows: DataFrame) -> DataFrame:
    """Return rows whose texts are all UTF-8, with U+FFFD for the bytes that were not."""
    texts = _texts(rows)
    return rows.select(*(F.make_valid_utf8(name).alias(name) if name in texts else name for name in rows.columns))


def has_wrong_texts(rows: DataFrame) -> Column:
    """Return whether a row has a text that is not UTF-8."""
    valid = (F.coalesce(F.is_valid_utf8(name), F.lit(True)) for name in _texts(rows))
    return ~reduce(Column.__and__, valid)


def _texts(rows: DataFrame) -> list[str]:
    return [field.name for field in rows.schema if isinstance(field.dataType, StringType)]


def find_listeners(spins: DataFrame, listeners: DataFrame) -> DataFrame:
    """
    Join the long plays to their listeners.

    Plays and listeners are deduplicated before the join: the result has the rows of a deduplicated join, and fewer rows
    have to be compared.

    Args:
        spins: the columns of `SPINS`.
        listeners: those of `LISTENERS`.

    Returns:
        The columns of `DATASET`; one row for each distinct pair of a long play and a row of its listener, and one for
        each distinct long play without a listener. `play_copies`: occurrences of the play in *spins*.
        `listener_copies`: occurrences of the listener's row in *listeners*; null without a listener.
    """
    # Plays are shuffled before they are counted: counting them before the shuffle as well takes twice the time, since
    # hardly any are equal. They are shuffled by the key alone, so that the join needs no further shuffle of them.
    long = only_long_plays(spins).repartition(KEY)
    plays = long.groupBy(*SPINS).agg(F.count("*").alias("play_copies"))
    distinct = listeners.groupBy(*LISTENERS).agg(F.count("*").alias("listener_copies"))
    return plays.join(distinct, KEY, "left")


def dataset(pairs: DataFrame) -> DataFrame:
    """Return the rows of the dataset; *pairs* is the result of `find_listeners`."""
    return pairs.where(F.col("listener_copies").isNotNull()).select(*DATASET)


def count_plays(rows: DataFrame) -> DataFrame:
    """
    Count rows by zip code and subscription type.

    Args:
        rows: needs only the columns `fake_zipcode` and `subscription_type`.

    Returns:
        The two columns and `spins`, sorted by zip code, then by the bytes of the subscription type; missing ones first.
    """
    return rows.groupBy(*GROUP).agg(F.count("*").alias("spins")).orderBy(*GROUP)


def lines(rows: DataFrame) -> DataFrame:
    """Return each row as one line, in the only column of the result; times are in the session's zone."""
    return rows.select(F.concat_ws("\t", *map(_text, rows.schema)).alias("line"))


def _text(field: StructField) -> Column:
    value = F.col(field.name)
    if isinstance(field.dataType, TimestampType):
        value = F.date_format(value, _INSTANT)
    elif isinstance(field.dataType, StringType):
        one_line = F.translate(value, BLANKED, " " * len(BLANKED))
        value = F.when(value.rlike(f"[{BLANKED}]"), one_line).otherwise(value)  # slow, and few values need it
    return F.coalesce(value.cast("string"), F.lit(""))
