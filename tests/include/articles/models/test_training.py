"""The models."""

from math import exp
from typing import get_args

import numpy as np
import pytest
from scipy import sparse

from include.articles.models.ranking import rank_recommendations
from include.articles.models.sequence import MINUTE_MICROS, Readings
from include.articles.models.training import MODELS
from include.articles.models.vectors import Scores
from include.articles.settings import ArticleSettings
from tests.include.articles.models.test_cooccurrence import matrix

SETTINGS = ArticleSettings(factors=16, epochs=3)


def test_what_the_setting_may_be_is_a_model():
    assert set(get_args(ArticleSettings.model_fields["model"].annotation)) <= set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_finds_the_topics_that_readers_have(name):
    vectors = MODELS[name](matrix(), SETTINGS)
    lists = rank_recommendations(vectors, [str(number) for number in range(120)], np.ones(120), 10)
    same = lists["source"].astype(int) % 4 == lists["target"].astype(int) % 4
    assert same.mean() > 0.8


def test_the_settings_reach_the_factorisation():
    one = MODELS["als"](matrix(), SETTINGS)
    assert one.shape == (120, 16)
    for change in ({"factors": 3}, {"epochs": 1}, {"regularization": 9.0}, {"random_seed": 7}):
        other = MODELS["als"](matrix(), SETTINGS.model_copy(update=change))
        assert other.shape != one.shape or not np.allclose(other, one)


def opened(*rows):
    """Build readings from reader, article and minute before the run."""
    readers, articles, minutes = (
        np.array(column) for column in zip(*sorted(rows, key=lambda r: (r[0], -r[2])), strict=True)
    )
    return Readings(readers, articles, -minutes * MINUTE_MICROS, 0)


def next_scores(matrix_, readings, **given):
    found = MODELS["next"](matrix_, SETTINGS.model_copy(update=given), readings)
    assert isinstance(found, Scores)
    return (found.sources @ found.targets.T).toarray()


def test_next_is_what_followed_and_what_is_popular():
    readings = opened(
        *[(reader, 0, 20) for reader in range(30)], *[(reader, 1 + reader % 3, 10) for reader in range(30)]
    )
    empty = sparse.csr_matrix((1, 5))
    found = next_scores(empty, readings, next_blend=0.0, next_popularity=1e-9)
    assert found[0] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0], abs=1e-3)
    assert found[1] == pytest.approx(0, abs=1e-6)  # nothing followed on 1
    assert found[4, 0] > found[4, 1] > found[4, 4] == 0  # nobody has read 4: it has what is popular
    found = next_scores(empty, readings, next_blend=0.0, next_popularity=10.0)
    assert found[1] == pytest.approx(found[4] * 10 / (10 + 10 * exp(-1 / 18)), rel=1e-3)


def test_next_mixes_in_the_similarity_of_blend():
    vectors = MODELS["blend"](matrix(), SETTINGS)
    similar = (vectors @ vectors.T).toarray() / 1.1
    assert next_scores(matrix(), None, next_blend=0.25) == pytest.approx(0.25 * similar)


def test_scores_of_next_are_1_at_most():
    random = np.random.default_rng(1)
    readings = opened(*zip(*(random.integers(0, top, 2_000) for top in (50, 120, 3_000)), strict=True))
    found = next_scores(matrix(), readings)
    assert found.max() <= 1 + 1e-9
    assert found.min() >= -0.1 * 0.1 / 1.1 - 1e-9  # topics may be opposed, which ranks below no similarity
