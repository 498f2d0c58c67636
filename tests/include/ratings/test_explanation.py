"""Why a prediction is what it is: its explanation alone gives it again, to the last bit."""

from pathlib import Path

import pytest

from include.core.code import code_version
from include.core.provenance import Record, Row, UnknownRowError, explain_deep
from include.ratings.data import base
from include.ratings.explanation import explain
from include.ratings.settings import RatingsSettings
from tests.support.ratings import RatingsPlatform, RegistryInMemory

PAIRS = "1 1\n1 2\n2 1\nnobody 1\n1 nothing\nnobody nothing\nnew-user 1\n"
RATINGS = "new-user 1 5 880606923\n1 2 1 880606924\n"


@pytest.fixture(params=["SVD", "BaselineOnly", "SVDpp"])
def predicted(request, store, small_base, monkeypatch) -> RatingsPlatform:
    """Return a platform with predictions of one algorithm for `p.txt`, by the run `run-2`."""
    monkeypatch.delenv("MOVIELENS_100K", raising=False)
    base.store(store.path, small_base, "test")
    registry = RegistryInMemory(Path(store.path).parent)
    platform = RatingsPlatform(store, registry, RatingsSettings(algorithm=request.param))
    platform.drop("t.txt", RATINGS)
    platform.run()
    platform.drop("p.txt", PAIRS, "streaming")
    platform.predict()
    return platform


def why(platform: RatingsPlatform, *parts: str, depth: int = 1) -> Record:
    row = Row("ratings", parts)
    return explain_deep(
        lambda each: explain(platform.store, lambda path: platform.registry.root / path, each), row, depth
    )


def recomputed(record: Record) -> str:
    """Return the line that the terms of a record give, by plain Python."""
    estimate = 0.0
    for source in record.sources:
        if source.kind == "term":
            assert source.share is not None
            estimate += source.share
    pair = next(source.value for source in record.sources if source.kind == "pair")
    return f"{pair} {min(5.0, max(1.0, estimate))!r}"


def test_each_prediction_is_given_again_by_its_explanation_alone(predicted):
    for number, pair in enumerate(PAIRS.splitlines(), start=1):
        found = why(predicted, "predictions", "1", "p.txt", str(number))
        assert found.value == recomputed(found)
        assert found.value.startswith(f"{pair} ")


def test_the_ratings_of_user_and_movie_are_named_with_their_part(predicted):
    found = why(predicted, "predictions", "1", "p.txt", "7")
    ratings = [source for source in found.sources if source.kind == "rating of the user"]
    assert [each.value for each in ratings] == [{"user": "new-user", "movie": "1", "stars": 5.0}]
    terms = {source.value["term"]: source.share for source in found.sources if source.kind == "term"}
    assert ratings[0].share == terms.get("user_bias")
    assert all(each.value["movie"] == "1" for each in found.sources if each.kind == "rating of the movie")


def test_an_explanation_goes_down_to_the_landed_line(predicted):
    found = why(predicted, "predictions", "1", "p.txt", "2", depth=2)
    [rating] = [each for each in found.sources if each.row == "quartet://ratings/ratings/1/1/2" and "user" in each.kind]
    assert rating.why is not None
    assert rating.why.made_by.run == "run-1"
    [line] = rating.why.sources
    assert (line.uri, line.selector) == ("ratings/training/t.txt", {"type": "location", "locations": ["line=2"]})
    model = next(source.why for source in found.sources if source.kind == "model")
    assert model is not None
    assert (model.made_by.run, model.made_by.code) == ("run-1", code_version())
    others = [each.why for each in found.sources if each.kind == "rating of the movie" and each.why]
    assert {source.uri.split("/")[1] for why in others for source in why.sources} >= {"base"}


def test_a_record_names_run_and_code(predicted):
    made = why(predicted, "predictions", "1", "p.txt", "1").made_by
    assert (made.dag, made.run, made.task, made.code) == ("ratings_predict", "run-2", "predict", code_version())


def test_a_landed_file_that_has_changed_has_no_value(predicted):
    predicted.drop("p.txt", PAIRS + "3 3\n", "streaming")
    found = why(predicted, "predictions", "1", "p.txt", "1")
    assert [(each.value, len(each.sha256 or "")) for each in found.sources if each.kind == "pair"] == [(None, 64)]


@pytest.mark.parametrize(
    "parts",
    [
        ("predictions", "1", "p.txt", "0"),
        ("predictions", "1", "p.txt", "8"),
        ("predictions", "1", "p.txt", "²"),
        ("predictions", "1", "q.txt", "1"),
        ("predictions", "2", "p.txt", "1"),
        ("models", "x"),
        ("ratings", "1", "nobody", "1"),
    ],
)
def test_what_is_not_there_is_unknown(platform, parts):
    platform.drop("t.txt", RATINGS)
    platform.run()
    platform.drop("p.txt", PAIRS, "streaming")
    platform.predict()
    with pytest.raises(UnknownRowError):
        why(platform, *parts)
