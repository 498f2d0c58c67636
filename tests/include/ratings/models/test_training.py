"""Training: what is fitted, measured and kept; the exact numbers on MovieLens 100K."""

import os
from pathlib import Path

import pytest
from surprise import SVD, AlgoBase
from surprise.dump import load as surprise_load

from include.core.errors import BadDataError, DamagedObjectError
from include.ratings.data import base
from include.ratings.data.rows import Rating
from include.ratings.models import algorithms, training
from include.ratings.models.training import Recipe, TrainingData


def recipe(algorithm: str = "BaselineOnly", seed: int = 0, **options: object) -> Recipe:
    return Recipe("fingerprint", "sha256", algorithm, options, seed)


def test_equal_recipes_have_equal_tags_and_any_difference_shows():
    tags = recipe().tags()
    assert tags == recipe().tags()
    others = [recipe("SVD"), recipe(seed=1), recipe(bsl_options={}), Recipe("other", "sha256", "BaselineOnly")]
    assert len({tags["recipe"], *(each.tags()["recipe"] for each in others)}) == 5


def test_metrics_count_rows_and_replacements(small_base):
    rows = base.parse(small_base)
    again = Rating(rows[0].user, rows[0].movie, 1.0, 9)
    trained = training.train(TrainingData.of(rows, [again, Rating("new", "new", 3.0, 9)]), recipe())
    metrics = trained.metrics
    assert (metrics["rows_base"], metrics["rows_submitted"], metrics["rows_replaced"], metrics["rows"]) == (
        1_500,
        2,
        1,
        1_501,
    )
    assert metrics["bytes"] == len(trained.artefact)
    assert 0.5 < metrics["holdout_mae"] < metrics["holdout_rmse"] < 1.5
    assert metrics["train_rmse"] < metrics["holdout_rmse"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Surprise leaves the file open
def test_an_artefact_is_surprise_s_dump(small_base, tmp_path):
    trained = training.train(TrainingData.of(base.parse(small_base), []), recipe())
    path = tmp_path / "model.pickle"
    path.write_bytes(trained.artefact)
    predictions, model = surprise_load(str(path))
    assert predictions is None
    assert isinstance(model, AlgoBase)


def test_an_artefact_that_changed_is_never_loaded(tmp_path):
    path = tmp_path / "model.pickle"
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(DamagedObjectError, match=r"model\.pickle is damaged"):
        training.load(path, sha256="0" * 64)


@pytest.mark.parametrize("algorithm", ["SlopeOne", "CoClustering"])
def test_whole_star_algorithms_refuse_fractional_ratings(small_base, algorithm):
    data = TrainingData.of(base.parse(small_base), [Rating("1", "1", 3.5, 0)])
    with pytest.raises(BadDataError, match=f"{algorithm} cuts ratings to whole stars"):
        training.train(data, recipe(algorithm))


def test_an_algorithm_that_answers_at_random_is_refused(small_base):
    with pytest.raises(BadDataError, match="predicts at random"):
        training.train(TrainingData.of(base.parse(small_base), []), recipe("NormalPredictor"))


@pytest.mark.parametrize("name", algorithms.BUILT_IN)
def test_every_built_in_algorithm_is_made_quietly_and_predicts_within_the_scale(name, small_base, capsys):
    model = training.fit(recipe(name), base.parse(small_base))
    assert 1 <= model.predict("1", "1").est <= 5
    assert capsys.readouterr().out == ""


def test_options_and_seed_reach_the_algorithm():
    model = algorithms.build("SVD", {"n_factors": 7}, seed=3)
    assert isinstance(model, SVD)
    assert (model.n_factors, model.random_state) == (7, 3)


class NeedsMore(AlgoBase):
    """Cannot be constructed without an argument."""

    def __init__(self, needed: int) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:Thing", "cannot be imported"),
        ("include.ratings.data.rows:NoSuch", "cannot be imported"),
        ("include.ratings.data.rows:Rating", r"a subclass of surprise\.AlgoBase was expected"),
        ("surprise", "cannot be imported"),
        (f"{__name__}:NeedsMore", "cannot be constructed"),
    ],
)
def test_an_algorithm_that_cannot_be_made_says_why(name, reason):
    with pytest.raises(BadDataError, match=reason):
        algorithms.build(name)


MOVIELENS = os.environ.get("MOVIELENS_100K") or f"{os.environ.get('QUARTET_REAL_DATA', '')}/movielens-100k"

BASE_ONLY = {
    ("233", "346"): 4.204424132564497,
    ("125", "378"): 3.936082556896349,
    ("1", "1"): 3.9655666188162995,
    ("943", "1330"): 3.198456915193381,
    ("244", "346"): 4.095569746044367,
    ("244", "355"): 3.003497991575208,
    ("99999", "346"): 3.7368644680910603,
    ("233", "99999"): 3.9351587561694714,
    ("99999", "99999"): 3.52986,
    ("519", "173"): 5.0,
    ("181", "997"): 1.0,
}
TWO_ROWS = {
    ("233", "346"): 4.199479147276393,
    ("125", "378"): 3.938161487156229,
    ("244", "346"): 3.4653422679858674,
    ("244", "355"): 2.9510377087519193,
}
RATED_AGAIN = {
    ("233", "346"): 4.204211655859666,
    ("125", "378"): 3.9369586112453074,
    ("1", "1"): 2.980016490557615,
}


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("submitted", "rows", "mean", "expected"),
    [
        ([], 100_000, 3.52986, BASE_ONLY),
        (
            [Rating("244", "346", 2.0, 880606923), Rating("244", "355", 3.0, 880606924)],
            100_002,
            3.529839403211936,
            TWO_ROWS,
        ),
        ([Rating("1", "1", 1.0, 900000000)], 100_000, 3.52982, RATED_AGAIN),
    ],
    ids=["base only", "two rows", "rated again"],
)
def test_the_exact_values_on_movielens(submitted, rows, mean, expected):
    data = TrainingData.of(base.parse(base.read_movielens(Path(MOVIELENS))), submitted)
    model = training.fit(Recipe(data.fingerprint(), "", "SVD"), data.rows)
    assert model.trainset.n_ratings == rows
    assert model.trainset.global_mean == pytest.approx(mean, abs=1e-12)
    assert {pair: model.predict(*pair).est for pair in expected} == pytest.approx(expected, abs=1e-6)
