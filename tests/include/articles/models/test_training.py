"""The models."""

from typing import get_args

import numpy as np
import pytest

from include.articles.models.ranking import rank_recommendations
from include.articles.models.training import MODELS
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
