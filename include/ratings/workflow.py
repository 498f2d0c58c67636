"""Registration of the ratings workflow."""

from include.core.provenance import RowKind
from include.core.telemetry import Metric
from include.core.workflow import Pool, StateMetrics, Workflow
from include.ratings.retention import RETENTION
from include.ratings.settings import RatingsSettings

METRICS = {
    "ratings.queue_files": Metric(
        "files", "files of pairs that no model has answered", "it grows: `ratings_predict` does not run, or fails"
    ),
    "ratings.queue_age_seconds": Metric(
        "s", "waiting time of the oldest of these files; 0 if there is none", "above 60: requests are not answered"
    ),
    "ratings.data_lag_hours": Metric("h", "time since the newest training file landed", "above what senders promise"),
    "ratings.table_rows": Metric("rows", "rows of the training table", "it falls without a restore"),
    "ratings.champion_holdout_rmse": Metric(
        "stars", "error of the champion on held-out ratings", "it rises: see [ratings.md](ratings.md), Going back"
    ),
}  # fmt: skip
"""Full name → metric."""

WORKFLOW = Workflow(
    name="ratings",
    title="Movie ratings",
    dags=(
        "ratings_train",
        "ratings_predict",
        "ratings_model_selection",
    ),
    settings=RatingsSettings,
    retention=RETENTION,
    metrics=METRICS,
    state_metrics=StateMetrics(
        reads="landed files, answers, training table, champion",
        reports="waiting files, age of the data, error of the model",
    ),
    rows=(
        RowKind(("predictions", "{model}", "{file}", "{line}"), "ratings_predict", "a prediction, by its line from 1"),
        RowKind(("models", "{model}"), "ratings_train", "a model version"),
        RowKind(("ratings", "{model}", "{user}", "{movie}"), "ratings_train", "a rating that a model was trained on"),
    ),
    pools={"ratings_selection": Pool(2, "model selection: fits of eleven algorithms, about one core each")},
    prepared=True,
)
