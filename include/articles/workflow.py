"""Registration of the articles workflow."""

from include.articles.retention import RETENTION
from include.articles.settings import ArticleSettings
from include.core.telemetry import Metric
from include.core.workflow import StateMetrics, Workflow

METRICS = {
    "article_recs.job_time": Metric(
        "s", "duration of a run; the tag `status` is `success` or `failure`", "near `run_timeout_minutes`",
        ("site", "status"),
    ),
    "article_recs.data_lag_hours": Metric(
        "h", "time from the newest event to the instant of the run", "above 6: no events arrive", ("site",)
    ),
    "article_recs.model_age_hours": Metric(
        "h", "age of the served model; the tag `type` is `popularity` or `article`", "above 6",
        ("site", "type"),
    ),
    "article_recs.downloaded_rows": Metric("rows", "events of the run", "0", ("site",)),
    "article_recs.download_time": Metric("s", "duration of reading the events", tags=("site",)),
    "article_recs.article_scraping_total": Metric("articles", "articles that were new or refreshed", tags=("site",)),
    "article_recs.article_scraping_errors": Metric(
        "articles", "articles whose page could not be read", "more than a fifth of `article_scraping_total`", ("site",)
    ),
    "article_recs.article_scraping_time": Metric("s", "duration of requesting pages from the site", tags=("site",)),
    "article_recs.model_training_time": Metric("s", "duration of training", tags=("site",)),
    "article_recs.rec_creation_total": Metric(
        "rows", "recommendations of related articles", "it falls by half or more", ("site",)
    ),
    "article_recs.rec_creation_time": Metric("s", "duration of ranking and saving them", tags=("site",)),
}  # fmt: skip
"""Full name → metric."""

WORKFLOW = Workflow(
    name="articles",
    title="Article recommendations",
    dags=("article_recs",),
    settings=ArticleSettings,
    retention=RETENTION,
    metrics=METRICS,
    state_metrics=StateMetrics(reads="the models that are served", reports="the age of each"),
    database=True,
    prepared=True,
)
