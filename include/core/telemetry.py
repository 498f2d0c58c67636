"""Every figure that the workflows report while they run: `docs/metrics.md` is made from this table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One figure; the collector gets it under Airflow's prefix, as `airflow.ratings.queue_files`."""

    unit: str
    """Of its value; Airflow's gauges carry none, so this is the only place that tells it."""
    what: str
    worry: str = ""
    """When somebody should look; empty: it explains others, and is no cause for alarm by itself."""
    tags: tuple[str, ...] = ()
    """Names of its tags."""


_SITE, _SCHEMA, _ENGINE = ("site",), ("schema",), ("engine",)

METRICS: dict[str, Metric] = {
    "ratings.queue_files": Metric(
        "files", "files of pairs that no model has answered", "it grows: `ratings_predict` does not run, or fails"
    ),
    "ratings.queue_age_seconds": Metric(
        "s", "how long the oldest of them has waited; 0: none waits", "above 60: whoever asked gets no answer"
    ),
    "ratings.data_lag_hours": Metric("h", "since the newest training file landed", "above what your senders promise"),
    "ratings.table_rows": Metric("rows", "rows of the training table", "it falls without a restore"),
    "ratings.champion_holdout_rmse": Metric(
        "stars", "error of the champion on held-out ratings", "it rises: [ratings.md](ratings.md) tells the way back"
    ),
    "article_recs.job_time": Metric(
        "s", "how long a run took; tag `status` is `success` or `failure`", "near `run_timeout_minutes`",
        ("site", "status"),
    ),
    "article_recs.data_lag_hours": Metric(
        "h", "from the newest event to the instant of the run", "above 6: the events do not arrive", _SITE
    ),
    "article_recs.model_age_hours": Metric(
        "h", "since the run that made what is served; tag `type` is `popularity` or `article`", "above 6",
        ("site", "type"),
    ),
    "article_recs.downloaded_rows": Metric("rows", "events of the run", "0", _SITE),
    "article_recs.download_time": Metric("s", "how long reading the events took", tags=_SITE),
    "article_recs.article_scraping_total": Metric("articles", "articles that were new or refreshed", tags=_SITE),
    "article_recs.article_scraping_errors": Metric(
        "articles", "articles whose page could not be read", "more than a fifth of `article_scraping_total`", _SITE
    ),
    "article_recs.article_scraping_time": Metric("s", "how long asking the site took", tags=_SITE),
    "article_recs.model_training_time": Metric("s", "how long training took", tags=_SITE),
    "article_recs.rec_creation_total": Metric(
        "rows", "recommendations of related articles", "it falls by half or more", _SITE
    ),
    "article_recs.rec_creation_time": Metric("s", "how long ranking and saving them took", tags=_SITE),
    "audience.posts": Metric("rows", "posts of a task that have author, source and text", "0", _SCHEMA),
    "audience.labelled_rows": Metric("rows", "rows that a panel was found for", "0, with posts", _SCHEMA),
    "audience.label_minutes": Metric("min", "from the first batch to the last", tags=_SCHEMA),
    "audience.coverage": Metric(
        "1", "authors in a panel, as a share of all authors of the result table", "far from that of earlier tasks",
        ("schema", "table"),
    ),
    "audience.data_lag_hours": Metric(
        "h", "since the newest post of the source table, if it has an index on `post_time`",
        "above what the source promises", _SCHEMA,
    ),
    "songs.rows": Metric("rows", "rows of a day's dataset", "far from that of the same weekday", _ENGINE),
    "songs.groups": Metric("rows", "rows of a day's counts", tags=_ENGINE),
    "songs.plays_outside_day": Metric(
        "rows", "spins of the file whose date is another one", "above 0: source and report zone differ", _ENGINE
    ),
    "songs.plays_without_listener": Metric(
        "rows", "long plays whose listener is missing or unknown", "it jumps: the listeners are old", _ENGINE
    ),
    "songs.engine_seconds": Metric("s", "how long the job's steps took", tags=_ENGINE),
    "songs.data_lag_hours": Metric(
        "h", "since the end of the newest day that is delivered", "above 24 + `SONGS_DEADLINE_HOURS`"
    ),
    "alerts.deadline_missed": Metric(
        "runs", "runs that were not finished in time, counted by the triggerer", "any", ("dag_id",)
    ),
}  # fmt: skip
"""Name → figure."""
