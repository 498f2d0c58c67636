"""
# Preview a change of rules

Compares new rules with those in force on the posts of a time range, and writes no results: what each panel would gain,
lose or pass to another one, in posts and authors.

| task | reads | writes |
|---|---|---|
| `preview` | the posts, the rules in force, the new rules | the report in storage, `audience/previews/<id>.json` |

The audience API starts it for a preview with `"background": true`, and returns its report.

**Try it**: after `make demo`, trigger it with

```json
{"rules": "panel,keyword,match_type\\n/female,lily,partially\\n", "sample_posts": 0}
```

**Does not guard against** a change of the rules in force while it runs: it reads them once, at its start.
"""

from datetime import timedelta

from airflow.sdk import dag, get_current_context, task

from dags.common import DEFAULTS, deadline, params_of
from include.audience.request import PreviewParams
from include.audience.settings import AudienceSettings
from quartet.alerts.failure import run_failed

SETTINGS = AudienceSettings.load()


@dag(
    schedule=None,
    deadline=deadline(SETTINGS.deadline_minutes),
    on_failure_callback=run_failed,
    default_args=DEFAULTS | {"execution_timeout": timedelta(hours=12)},
    doc_md=__doc__,
    tags=["audience"],
    params=params_of(PreviewParams, target_schema=SETTINGS.input_schema),
)
def audience_rules_preview():
    """Compare new rules with those in force."""

    @task
    def preview() -> str:
        """Compare the rules; return the id of the preview."""
        from quartet.workflows import audience

        return audience.preview(get_current_context())

    preview()


audience_rules_preview()
