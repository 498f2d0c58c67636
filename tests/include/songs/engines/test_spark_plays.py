"""The three functions that can be had without a command line."""

import pytest

from include.core.errors import BadDataError
from include.songs.engines.spark_plays import count_plays, only_long_plays
from include.songs.rules import TooFewRowsError, validate


def test_plays_are_counted_by_zip_code_and_subscription(spark):
    rows = spark.createDataFrame(
        [(90210, "Family"), (90210, "Family"), (90210, "Ad-Supported")], ["fake_zipcode", "subscription_type"]
    )
    assert [tuple(row) for row in count_plays(rows).collect()] == [(90210, "Ad-Supported", 1), (90210, "Family", 2)]


def test_counts_come_in_the_order_of_bytes_missing_ones_first(spark):
    kinds = ["b", "B", None, "é", "z", "", "東", "🎵"]
    rows = [(zip_code, kind) for zip_code in (2, None, 10) for kind in kinds]
    found = count_plays(spark.createDataFrame(rows, "fake_zipcode int, subscription_type string")).collect()
    ordered = [None, "", "B", "b", "z", "é", "東", "🎵"]
    assert [tuple(row)[:2] for row in found] == [(zip_code, kind) for zip_code in (None, 2, 10) for kind in ordered]


def test_only_plays_of_more_than_thirty_seconds_are_long(spark):
    plays = spark.createDataFrame([(2,), (128,), (30,), (31,), (None,), (-40,)], "elapsed_seconds int")
    assert sorted(row[0] for row in only_long_plays(plays).collect()) == [31, 128]


def test_enough_rows_are_valid():
    validate(11, 10)
    validate(10, 10)
    validate(0, 0)


def test_too_few_rows_are_not():
    with pytest.raises(TooFewRowsError, match="job failed validation: number of rows 1 < 10") as raised:
        validate(1, 10)
    assert isinstance(raised.value, BadDataError)
