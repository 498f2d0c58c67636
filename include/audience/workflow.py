"""Registration of the audience workflow."""

from include.audience.retention import RETENTION
from include.audience.settings import AudienceSettings
from include.core.telemetry import Metric
from include.core.workflow import Pool, Workflow

METRICS = {
    "audience.posts": Metric("rows", "posts of a task with author, source and text", "0", ("schema",)),
    "audience.labelled_rows": Metric("rows", "labelled rows of a task", "0, with posts", ("schema",)),
    "audience.label_minutes": Metric("min", "duration of the label stage", tags=("schema",)),
    "audience.coverage": Metric(
        "1", "authors in a panel, as a share of all authors of the result table", "far from that of earlier tasks",
        ("schema", "table"),
    ),
    "audience.data_lag_hours": Metric(
        "h", "age of the newest post in the source table, if it has an index on `post_time`",
        "above what the source promises", ("schema",),
    ),
}  # fmt: skip
"""Full name → metric."""

WORKFLOW = Workflow(
    name="audience",
    title="Audience labeling",
    dags=(
        "audience_labeling",
        "audience_rules_preview",
        "audience_schemas",
    ),
    settings=AudienceSettings,
    retention=RETENTION,
    metrics=METRICS,
    pools={
        "audience_schemas": Pool(
            3, "schemas of `audience_schemas` that are labelled at the same time", include_deferred=True
        )
    },
    prepared=True,
)
