"""
# Recommend articles

One DAG per site. It turns the events of the site's readers into two models: `popularity` (the defaults of the site) and
`article` (related articles of each article). `/articles/recs` serves them.

| task | reads | writes |
|---|---|---|
| `create_model` | the run's parameters and instant | the plan of the run, pinned; its models, `pending` |
| `fetch_data` | the event objects of the last days | an extract of each new object |
| `filter_events` | the extracts | events of articles with several readers, of readers of several articles |
| `scrape_metadata` | the site's pages of unknown and new articles | title, path and publication time of each |
| `build_interactions` | events, articles | the dwell of each reader on each article on each date |
| `save_defaults` | interactions | the model `popularity`, promoted in one transaction |
| `train_model` | interactions | the matrix of readers and articles, a vector per article |
| `save_predictions` | vectors, publication times | the model `article`, promoted in one transaction |
| `clean_up` | models and files of earlier runs | nothing; removes those that are no longer needed |
| `report` | the counts of each task | `run.json`, a run in MLflow with figures, the note of the DAG run |

A failed run leaves the served models alone and marks its own `failed`; clear the failed tasks to resume it. A backfill
fills extracts and articles; it trains only with the param `train`, since its models would be outdated at once.

**Try it**: recompute the recommendations of a past instant from two days of events

```json
{"run_at": "2026-03-10T12:00:00+00:00", "days_of_data": 2, "model": "cooccurrence"}
```

**Does not guard against** events delivered after the run read their date (the next run reads them), and a site that
answers with the wrong page under the right address.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Context, Param, TaskGroup, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from include.articles import parameters
from include.articles.settings import ArticleSettings
from include.articles.sites.configuration import Site, SitesError, load_sites, schedules
from quartet.alerts.failure import run_failed


def article_recs(site: Site, schedule: str | None, error: SitesError | None = None) -> None:
    """Build the DAG of a site; the runs of one that is not valid fail with the error, which the docs show."""
    limit = timedelta(minutes=site.run_timeout_minutes)

    def mark_failed(context: Context) -> None:
        from quartet.workflows.articles import mark_failed

        mark_failed(context, site.name)

    def step(task_id, work, **options):
        """Build the task of a step, which `work` calls."""

        @task(task_id=task_id, **options)
        def do() -> dict | None:
            from quartet.workflows.articles import articles_run

            with articles_run(get_current_context(), site.name, begins=task_id == "create_model") as run:
                return work(run)

        return do()

    @dag(
        dag_id=site.dag_id,
        schedule=schedule,
        start_date=datetime(2020, 1, 1, tzinfo=UTC),  # how far a backfill may go back
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=limit,
        deadline=deadline(site.run_timeout_minutes),
        on_failure_callback=[mark_failed, run_failed],
        default_args=DEFAULTS,
        doc_md=f"# Not valid\n\n```\n{error}\n```\n{__doc__}" if error else __doc__,
        tags=["articles"],
        params={name: Param(**schema) for name, schema in parameters.schemas(site.parameters).items()},
    )
    def recommend():
        create_model = step("create_model", lambda run: run.create_model())
        with TaskGroup("events", prefix_group_id=False) as events:
            fetch_data = step("fetch_data", lambda run: run.fetch_data())
            fetch_data >> step("filter_events", lambda run: run.filter_events())
        with TaskGroup("reading", prefix_group_id=False) as reading:
            # one at a time over all runs, so that the limits of the site hold
            limits = {"max_active_tis_per_dag": 1, "execution_timeout": limit}
            scrape_metadata = step("scrape_metadata", lambda run: run.scrape_metadata(), **limits)
            scrape_metadata >> step("build_interactions", lambda run: run.build_interactions())
        with TaskGroup("popularity", prefix_group_id=False) as popularity:
            step("save_defaults", lambda run: run.save_defaults())
        with TaskGroup("related", prefix_group_id=False) as related:
            train_model = step("train_model", lambda run: run.train_model())
            train_model >> step("save_predictions", lambda run: run.save_predictions())
        with TaskGroup("afterwards", prefix_group_id=False) as afterwards:
            step("clean_up", lambda run: run.clean_up(), trigger_rule="none_failed")
            step("report", lambda run: run.report(), trigger_rule="none_failed")
        create_model >> events >> reading >> [popularity, related] >> afterwards

    recommend()


_sites = load_sites(ArticleSettings.load())
for _name, _schedule in schedules(_sites.of_dags).items():
    article_recs(_sites.of_dags[_name], _schedule, _sites.errors.get(_name))
