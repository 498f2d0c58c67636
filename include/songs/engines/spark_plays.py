"""The logic on Spark's frames: long plays, their listeners, the dataset, its counts, the lines of an output."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, TimestampType

from include.songs.rules import LONG_SECONDS
from include.songs.schemas import BLANKED, DATASET, GROUP, KEY, LISTENERS, SPINS

_INSTANT = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"


def only_long_plays(spins: DataFrame) -> DataFrame:
    """Keep the plays that lasted long enough; needs only the column `elapsed_seconds`."""
    return spins.where(F.col("elapsed_seconds") > LONG_SECONDS)


def find_listeners(spins: DataFrame, listeners: DataFrame) -> DataFrame:
    """
    Find the listeners of the long plays.

    Plays and listeners are made distinct each before they are joined. That gives the same rows as a distinct join, and
    there is less to compare.

    Args:
        spins: the columns of `SPINS`.
        listeners: those of `LISTENERS`.

    Returns:
        The columns of `DATASET`; a row for each different pair of a long play and a row of its listener, and one for
        each long play without a listener. `plays`: how often the play is in *spins*. `twins`: how often the listener's
        row is in *listeners*; null without a listener.
    """
    # Equal plays are brought together before they are counted: counting them where they were read, too, takes twice
    # the time, since hardly any are equal. By the key alone, so that many listeners are joined where the plays are.
    long = only_long_plays(spins).repartition(KEY)
    plays = long.groupBy(*SPINS).agg(F.count("*").alias("plays"))
    people = listeners.groupBy(*LISTENERS).agg(F.count("*").alias("twins"))
    return plays.join(people, KEY, "left")


def dataset(pairs: DataFrame) -> DataFrame:
    """Give the rows of the dataset, of what `find_listeners` gives."""
    return pairs.where(F.col("twins").isNotNull()).select(*DATASET)


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
    """Write each row as one line, in the only column of the result; times are in the session's zone."""
    return rows.select(F.concat_ws("\t", *map(_text, rows.schema)).alias("line"))


def _text(field: StructField) -> Column:
    value = F.col(field.name)
    if isinstance(field.dataType, TimestampType):
        value = F.date_format(value, _INSTANT)
    elif isinstance(field.dataType, StringType):
        one_line = F.translate(value, BLANKED, " " * len(BLANKED))
        value = F.when(value.rlike(f"[{BLANKED}]"), one_line).otherwise(value)  # few need it, and it is slow
    return F.coalesce(value.cast("string"), F.lit(""))
