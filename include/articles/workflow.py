"""What the platform knows of the articles workflow."""

from include.articles.retention import RETENTION
from include.articles.settings import ArticleSettings
from include.core.telemetry import Metric
from include.core.workflow import StateMetrics, Workflow

METRICS = {
    "article_recs.job_time": Metric(
        "s", "how long a run took; tag `status` is `success` or `failure`", "near `run_timeout_minutes`",
        ("site", "status"),
    ),
    "article_recs.data_lag_hours": Metric(
        "h", "from the newest event to the instant of the run", "above 6: the events do not arrive", ("site",)
    ),
    "article_recs.model_age_hours": Metric(
        "h", "since the run that made what is served; tag `type` is `popularity` or `article`", "above 6",
        ("site", "type"),
    ),
    "article_recs.downloaded_rows": Metric("rows", "events of the run", "0", ("site",)),
    "article_recs.download_time": Metric("s", "how long reading the events took", tags=("site",)),
    "article_recs.article_scraping_total": Metric("articles", "articles that were new or refreshed", tags=("site",)),
    "article_recs.article_scraping_errors": Metric(
        "articles", "articles whose page could not be read", "more than a fifth of `article_scraping_total`", ("site",)
    ),
    "article_recs.article_scraping_time": Metric("s", "how long asking the site took", tags=("site",)),
    "article_recs.model_training_time": Metric("s", "how long training took", tags=("site",)),
    "article_recs.rec_creation_total": Metric(
        "rows", "recommendations of related articles", "it falls by half or more", ("site",)
    ),
    "article_recs.rec_creation_time": Metric("s", "how long ranking and saving them took", tags=("site",)),
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
    prepared=True,
)
