"""Model selection."""

import csv
import io
import os
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from surprise import AlgoBase, PredictionImpossible

from include.core.errors import BadDataError
from include.ratings.data import base
from include.ratings.data.rows import Rating
from include.ratings.models import chart, selection
from include.ratings.models.selection import Cell, Outcome


class MeanOfMovie(AlgoBase):
    """A custom algorithm: the mean of the movie's ratings."""

    def fit(self, trainset):
        """Remember nothing but the trainset."""
        AlgoBase.fit(self, trainset)
        return self

    def estimate(self, u, i):
        """Return the mean, or raise `PredictionImpossible`."""
        if not self.trainset.knows_item(i):
            raise PredictionImpossible("unknown movie")
        return np.mean([stars for _, stars in self.trainset.ir[i]])


class Broken(AlgoBase):
    """Fails when it is fitted."""

    def fit(self, trainset):
        """Fail."""
        raise RuntimeError("out of luck")


CUSTOM, BROKEN = f"{__name__}:MeanOfMovie", f"{__name__}:Broken"


@pytest.fixture
def rows(small_base):
    return base.parse(small_base)


def run(rows, names, folds=3, options=None):
    options = options or {}
    cells = selection.cells(names, options, folds, seed=0)
    return selection.compare([asdict(selection.evaluate(rows, cell, folds, 0)) for cell in cells], options)


def test_the_best_comes_first_and_is_chosen(rows):
    found = run(rows, ["NormalPredictor", "BaselineOnly", CUSTOM])
    assert [score.algorithm for score in found.scores] == ["BaselineOnly", CUSTOM, "NormalPredictor"]
    assert found.chosen == "BaselineOnly"
    assert all(len(score.rmse_folds) == 3 and score.bytes > 1000 for score in found.scores)


def test_equal_runs_give_equal_numbers_also_for_the_random_one(rows):
    first, second = (run(rows, ["NormalPredictor", "SVD"]) for _ in range(2))
    assert [score.rmse_folds for score in first.scores] == [score.rmse_folds for score in second.scores]


def test_one_that_fails_is_reported_and_stops_nobody(rows):
    found = run(rows, [BROKEN, "BaselineOnly"])
    scores = found.scores
    assert found.note == f"BaselineOnly is best; without {BROKEN}"
    assert scores[0].rmse is not None
    assert (scores[1].algorithm, scores[1].rmse, scores[1].error) == (BROKEN, None, "RuntimeError: out of luck")


def test_whole_star_algorithms_are_not_applicable_to_fractional_ratings(rows):
    scores = run([*rows, Rating("1", "x", 2.5, 0)], ["SlopeOne", "BaselineOnly"]).scores
    assert scores[1].error.startswith("not applicable: SlopeOne cuts ratings")


@pytest.mark.parametrize(
    ("names", "options", "reason"),
    [
        ([], {}, "at least one"),
        (["nowhere:Nothing"], {}, "cannot be imported"),
        (["SVD"], {"SVD": {"no_such": 1}}, "cannot be constructed"),
        (["SVD"], {"NMF": {}}, "NMF, which is not compared"),
    ],
)
def test_what_cannot_be_made_is_told_before_any_job(names, options, reason):
    with pytest.raises(BadDataError, match=reason):
        selection.cells(names, options, 5, 0)


def outcome(name, rmse, fit_seconds=1.0, fold=0):
    return asdict(Outcome(name, fold, rmse, rmse, fit_seconds))


def test_the_choice_obeys_the_limit_and_leaves_out_what_answers_at_random():
    outcomes = [outcome("SVDpp", 0.91, 9.0), outcome("SVD", 0.93), outcome("NormalPredictor", 0.5)]
    chosen = [selection.compare(outcomes, {}, max_fit_seconds=limit).chosen for limit in (None, 2, 0.1)]
    assert chosen == ["SVDpp", "SVD", None]


def test_the_spread_is_that_of_the_population():
    (score,) = selection.compare([outcome("SVD", 1.0), outcome("SVD", 3.0, fold=1)], {}).scores
    assert (score.rmse, score.rmse_sd) == (2.0, 1.0)


def test_table_and_chart_show_every_algorithm(rows):
    found = run(rows, [BROKEN, "BaselineOnly", CUSTOM])
    lines = list(csv.DictReader(io.StringIO(found.table().decode())))
    assert [line["algorithm"] for line in lines] == ["BaselineOnly", CUSTOM, BROKEN]
    image = chart.draw(found, "title")
    assert image == chart.draw(found, "title")
    assert ET.fromstring(image).tag.endswith("svg")


def test_a_choice_is_used_only_when_asked(platform, rows):
    options = {"SVD": {"n_epochs": 3}}
    found = run(rows, ["SVD"], options=options)
    selection.save(platform.store.path, "run", "2027", found, use=False)
    assert platform.plan().algorithm == "BaselineOnly"
    selection.save(platform.store.path, "run", "2027", found, use=True)
    assert (platform.plan().algorithm, platform.plan().options) == ("SVD", options["SVD"])


@pytest.mark.real_data
def test_svd_on_the_folds_of_movielens():
    location = os.environ.get("MOVIELENS_100K") or f"{os.environ['QUARTET_REAL_DATA']}/movielens-100k"
    rows = base.parse(base.read_movielens(Path(location)))
    outcome = selection.evaluate(rows, Cell("SVD", 0), folds=5, seed=0)
    assert (outcome.rmse, outcome.mae) == pytest.approx((0.935470, 0.737401), abs=2e-6)
