"""
Article recommendations: from the events of a site's readers to its defaults and the related articles of each article.

What others may call are the functions below, under the names of the specification; their names, arguments and columns
are a contract. Each is a pure function on tables, except `fetch_data`, which reads the archive of events. They are
imported on first use, because a DAG file must not load pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.articles.events.archive import fetch_data
    from include.articles.events.records import transform_raw_data
    from include.articles.interactions.dwell import build_interactions, fix_dtypes, time_activities
    from include.articles.interactions.filters import (
        filter_activities,
        filter_articles,
        filter_emailnewsletter,
        filter_flyby_users,
    )
    from include.articles.models.als import train_model
    from include.articles.models.matrix import aggregate_times, scale_matrix
    from include.articles.models.popularity import calculate_defaults
    from include.articles.models.ranking import rank_recommendations
    from include.articles.models.weights import get_weights
    from include.articles.sites.adapters import extract_external_id

__all__ = [
    "aggregate_times",
    "build_interactions",
    "calculate_defaults",
    "extract_external_id",
    "fetch_data",
    "filter_activities",
    "filter_articles",
    "filter_emailnewsletter",
    "filter_flyby_users",
    "fix_dtypes",
    "get_weights",
    "rank_recommendations",
    "scale_matrix",
    "time_activities",
    "train_model",
    "transform_raw_data",
]

_MODULES = {
    "events.archive": ("fetch_data",),
    "events.records": ("transform_raw_data",),
    "interactions.dwell": ("build_interactions", "fix_dtypes", "time_activities"),
    "interactions.filters": (
        "filter_activities",
        "filter_articles",
        "filter_emailnewsletter",
        "filter_flyby_users",
    ),
    "models.als": ("train_model",),
    "models.matrix": ("aggregate_times", "scale_matrix"),
    "models.popularity": ("calculate_defaults",),
    "models.ranking": ("rank_recommendations",),
    "models.weights": ("get_weights",),
    "sites.adapters": ("extract_external_id",),
}


def __getattr__(name: str) -> Any:
    for module, functions in _MODULES.items():
        if name in functions:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
