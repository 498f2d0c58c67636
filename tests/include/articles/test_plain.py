"""The pipeline against a plain program that does the same with pandas and loops, and has none of its code."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import make_url

from benchmarks.support import plain_articles
from deploy.demo.articles import generate
from include.articles.events.archive import fetch_data
from include.articles.models.training import MODELS, OF_READINGS
from include.core.frames import read_frame
from tests.include.articles.chain import follow
from tests.include.articles.runner import END, GAZETTE, STEPS, Runner, site

KEYS = ["client_id", "external_id", "session_date", "article_id"]
ROUNDED, TIE = 1.01e-6, 1e-9


def table(generated: generate.NewsSite) -> pd.DataFrame:
    articles = generated.articles[["external_id", "published_at"]]
    return articles.assign(external_id=articles["external_id"].astype(str), article_id=range(7, 7 + len(articles)))


def assert_same_interactions(found: pd.DataFrame, plain: pd.DataFrame, keys: list[str]) -> None:
    assert found[keys].astype(str).to_numpy().tolist() == plain[keys].astype(str).to_numpy().tolist()
    assert found["last_activity_time"].tolist() == plain["last_activity_time"].tolist()
    assert found["published_at"].tolist() == plain["published_at"].tolist()
    np.testing.assert_allclose(found["dwell_seconds"], plain["dwell_seconds"], atol=1e-6, rtol=0)


def assert_same_defaults(found: pd.DataFrame, plain: pd.DataFrame) -> None:
    assert found["target"].tolist() == plain["target"].tolist()
    assert found["rank"].tolist() == plain["rank"].tolist()
    np.testing.assert_allclose(found["score"], plain["score"], atol=ROUNDED, rtol=0)


def assert_same_lists(found: pd.DataFrame, plain: pd.DataFrame) -> None:
    """Compare place by place; of two targets that are as good, either may come first."""
    assert found[["source", "rank"]].to_numpy().tolist() == plain[["source", "rank"]].to_numpy().tolist()
    np.testing.assert_allclose(found["score"], plain["score"].astype(float), atol=ROUNDED, rtol=0)
    ranked = plain.set_index(["source", "target"])["ranked"].to_dict()
    last = plain.groupby("source")["ranked"].min().to_dict()
    rows = zip(found["source"], found["target"], plain["target"], plain["ranked"], strict=True)
    for source, mine, other, value in rows:
        if mine != other:
            tied = ranked.get((source, mine), last[source])  # one left out is as good as the last
            assert abs(tied - value) < TIE, (source, mine, other)


@pytest.mark.parametrize(
    ("articles", "readers", "events", "seed", "sources"),
    [(50, 150, 5_000, 1, 37), (60, 20, 1_500, 2, 17), (30, 12, 300, 1, 2), (30, 12, 300, 3, 0)],
)
def test_the_steps_give_what_a_plain_program_gives(articles, readers, events, seed, sources, tmp_path):
    generated = generate.make(articles, readers, events, days=4, end=END, seed=seed)
    generate.write(generated, tmp_path)
    read = fetch_data(tmp_path, "demo-gazette", END, 4)
    for model in MODELS:
        given: dict[str, Any] = {"model": model, "factors": 8, "max_recs": 9}
        found = follow(read, table(generated), END, site(), **given)
        plain = plain_articles.run(tmp_path, table(generated), END, 4, domain=generate.DOMAIN, **given)
        count = found.lists["source"].nunique()
        assert count >= sources if model in OF_READINGS else count == sources  # it counts articles only opened, too
        assert_same_interactions(found.interactions, plain["interactions"], KEYS)
        assert_same_defaults(found.defaults, plain["defaults"])
        assert_same_lists(found.lists, plain["recommendations"])


def test_other_parameters_mean_the_same_to_both(tmp_path):
    generated = generate.make(50, 150, 5_000, days=4, end=END, seed=6)
    generate.write(generated, tmp_path)
    given: dict[str, Any] = {
        "max_recs": 5,
        "max_gap_seconds": 10.2,
        "min_reader_seconds": 90,
        "min_articles_per_reader": 3,
        "min_readers_per_article": 4,
        "dwell_half_life_days": 0.5,
        "defaults_half_life_days": 3,
        "recs_half_life_days": float("inf"),
        "defaults_window_interactions": 50,
        "defaults_confidence": 0.6,
        "factors": 5,
        "regularization": 0.5,
        "epochs": 4,
        "random_seed": 1,
        "model": "als",
    }
    found = follow(fetch_data(tmp_path, "demo-gazette", END, 3), table(generated), END, site(), **given)
    plain = plain_articles.run(tmp_path, table(generated), END, 3, domain=generate.DOMAIN, **given)
    assert found.lists["source"].nunique() > 10
    assert len(found.defaults) > 1
    assert_same_interactions(found.interactions, plain["interactions"], KEYS)
    assert_same_defaults(found.defaults, plain["defaults"])
    assert_same_lists(found.lists, plain["recommendations"])


def test_what_is_served_at_the_end_is_what_a_plain_program_gives(tmp_path):
    runner = Runner(tmp_path, make_url(f"sqlite:///{tmp_path}/articles.db"))
    plan = runner.plan(max_recs=6, model="als")
    runner.run(plan, STEPS[:8])
    given: dict[str, Any] = {"max_recs": 6, "factors": 8, "epochs": 1, "model": "als"}
    plain = plain_articles.run(runner.archive, table(GAZETTE), END, 4, domain=generate.DOMAIN, **given)
    interactions = read_frame(runner.files(plan).interactions)
    assert_same_interactions(interactions, plain["interactions"], KEYS[:3])  # the ids are the database's
    assert_same_defaults(runner.served("popularity"), plain["defaults"])
    assert_same_lists(runner.served("article"), plain["recommendations"])
