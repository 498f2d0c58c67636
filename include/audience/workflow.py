"""Registration of the audience workflow."""

from include.audience.retention import RETENTION
from include.audience.settings import AudienceSettings
from include.core.telemetry import Metric
from include.core.workflow import Pool, Workflow

METRICS = {
    "audience.posts": Metric("rows", "posts of a task that have author, source and text", "0", ("schema",)),
    "audience.labelled_rows": Metric("rows", "rows that a panel was found for", "0, with posts", ("schema",)),
    "audience.label_minutes": Metric("min", "from the first batch to the last", tags=("schema",)),
    "audience.coverage": Metric(
        "1", "authors in a panel, as a share of all authors of the result table", "far from that of earlier tasks",
        ("schema", "table"),
    ),
    "audience.data_lag_hours": Metric(
        "h", "since the newest post of the source table, if it has an index on `post_time`",
        "above what the source promises", ("schema",),
    ),
}  # fmt: skip
"""Full name → metric."""

WORKFLOW = Workflow(
    name="audience",
    title="Audience labeling",
    dags=(
        "audience_labeling",
        "audience_schemas",
    ),
    settings=AudienceSettings,
    retention=RETENTION,
    metrics=METRICS,
    pools={
        "audience_schemas": Pool(
            3, "labeling of a list of schemas: so many at a time, waiting ones included", include_deferred=True
        )
    },
    prepared=True,
)
