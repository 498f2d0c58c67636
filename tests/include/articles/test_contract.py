"""The functions that others may call: the names and arguments of the specification, cheap to import."""

import inspect
import subprocess
import sys

import pytest

import include.articles

SIGNATURES = {
    "extract_external_id": ["site", "path"],
    "transform_raw_data": ["records"],
    "fetch_data": ["storage", "site", "run_at", "days"],
    "filter_flyby_users": [],
    "filter_articles": [],
    "filter_emailnewsletter": [],
    "fix_dtypes": [],
    "time_activities": [],
    "filter_activities": ["max_gap_seconds", "min_reader_seconds"],
    "build_interactions": [],
    "calculate_defaults": ["interactions"],
    "get_weights": ["published_at", "run_at", "half_life_days"],
    "aggregate_times": ["interactions", "run_date", "half_life_days"],
    "scale_matrix": [],
    "train_model": ["factors", "regularization", "epochs", "seed", "initial_item_factors"],
    "rank_recommendations": ["article_vectors", "external_ids", "weights", "max_recs"],
}
"""Name → arguments that the specification names; a table comes first."""


def test_these_functions_are_the_contract():
    assert sorted(SIGNATURES) == include.articles.__all__


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_function_has_the_arguments_of_the_specification(name):
    found = list(inspect.signature(getattr(include.articles, name)).parameters)
    named = SIGNATURES[name]
    at = found.index(named[0]) if named else 0
    assert at <= 1
    assert found[at : at + len(named)] == named


def test_other_names_are_missing():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        include.articles.nothing  # noqa: B018


def test_the_package_is_cheap_to_import():
    heavy = {"pandas", "numpy", "pyarrow", "sqlalchemy", "implicit", "matplotlib"}
    code = f"import sys, include.articles; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
