"""Work that failed runs have left over."""

import time

import pytest

from include.ratings.data import landing
from include.ratings.leftover import unanswered, untrained
from tests.support.ratings import RatingsPlatform

LATER = time.time() + 1_000


def drop(platform: RatingsPlatform, repo: landing.Repo, name: str, content: str) -> None:
    folder = platform.store.path / repo
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def test_pairs_without_predictions_are_left_over_until_a_run_takes_them(platform):
    drop(platform, "streaming", "a.txt", "1 1\n")
    assert unanswered(platform.store, LATER, 300) == []  # no run can take them before the first model
    platform.run()
    assert unanswered(platform.store, LATER, 300) == ["a.txt"]
    assert unanswered(platform.store, time.time(), 300) == []
    platform.predict()
    assert unanswered(platform.store, LATER, 300) == []


def test_bad_pairs_are_not_left_over(platform):
    platform.run()
    drop(platform, "streaming", "a.txt", "1 1 1\n")
    platform.predict()
    assert unanswered(platform.store, LATER, 300) == []


def test_a_platform_without_a_model_has_it_left_over(platform):
    assert untrained(platform.store, LATER, 300) == ["the first model"]
    platform.run()
    assert untrained(platform.store, LATER, 300) == []


def test_ratings_are_left_over_until_a_model_is_decided_on(platform):
    platform.run()
    drop(platform, "training", "a.txt", "1 1 5 1\n")
    assert untrained(platform.store, LATER, 300) == ["a.txt"]
    assert untrained(platform.store, time.time(), 300) == []
    failed = platform.plan(now=LATER)  # the task `train` after it fails for good
    assert failed.files == ["a.txt"]
    assert untrained(platform.store, LATER, 300) == ["training version 1"]
    assert untrained(platform.store, time.time(), 300) == []
    again = platform.run()
    assert again
    assert (again.counts["files"], again.made) == (0, "computed")
    assert untrained(platform.store, LATER, 300) == []
    assert platform.run() is None


@pytest.mark.parametrize("content", ["1 1 9 1\n", ""])
def test_bad_ratings_are_not_left_over(platform, content):
    platform.run()
    drop(platform, "training", "a.txt", content)
    platform.plan(now=LATER)
    assert untrained(platform.store, LATER, 300) == []


def test_foreign_names_do_not_end_the_check(platform):
    platform.run()
    drop(platform, "training", "b\udce9.txt", "1 1 5 1\n")
    drop(platform, "training", "c.txt", "1 1 5 1\n")
    assert untrained(platform.store, LATER, 300) == ["c.txt"]
