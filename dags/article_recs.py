"""
# Recommend articles

One DAG a site. It turns the events of a newsroom's readers into two models: `popularity` (the defaults of the site) and
`article` (related articles of each article). `/articles/recs` serves them.

| task | reads | writes |
|---|---|---|
| `create_model` | the run's parameters and instant | the plan of the run, pinned; its models, `pending` |
| `fetch_data` | the event objects of the last days | an extract of each new one |
| `filter_events` | the extracts | events of articles with several readers, of readers of several articles |
| `scrape_metadata` | the newsroom's pages of unknown and new articles | title, path and publication time of each |
| `build_interactions` | events, articles | the dwell of each reader on each article on each date |
| `save_defaults` | interactions | the model `popularity`, promoted in one transaction |
| `train_model` | interactions | the matrix of readers and articles, a vector an article |
| `save_predictions` | vectors, publication times | the model `article`, promoted in one transaction |
| `clean_up` | | nothing; models and tables of earlier runs go |
| `report` | what each task counted | `run.json`, a run in MLflow with figures, the note of the run |

A run that fails leaves the served models alone and marks its own `failed`; clear what failed, and it goes on. A
backfill fills extracts and articles; it trains only with the param `train`, since its models would be old at once.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Context, Param, TaskGroup, dag, get_current_context, task

from dags.common import DEFAULTS, deadline
from include.articles import parameters
from include.articles.settings import PARAMETERS, ArticleSettings
from include.articles.sites.configuration import Site, load_sites, schedules
from quartet.alerts.failure import run_failed


def article_recs(site: Site, schedule: str | None) -> None:
    """Make the DAG of a site."""
    limit = timedelta(minutes=site.run_timeout_minutes)

    def record_failure(context: Context) -> None:
        from quartet.workflows.articles import ArticlesHook

        ArticlesHook(site.name).record_failure(context)

    @dag(
        dag_id=site.dag_id,
        schedule=schedule,
        start_date=datetime(2020, 1, 1, tzinfo=UTC),  # how far a backfill may go back
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=limit,
        deadline=deadline(site.run_timeout_minutes),
        on_failure_callback=[record_failure, run_failed],
        default_args=DEFAULTS,
        doc_md=__doc__,
        tags=["articles"],
        params={
            "run_at": Param(None, type=["null", "string"], format="date-time", description="instant of the run"),
            "train": Param(None, type=["null", "boolean"], description="make models; empty: yes, but no in a backfill"),
            **{name: Param(site.parameters.get(name), **parameters.schema(name)) for name in PARAMETERS},
        },
    )
    def recommend():
        @task
        def create_model() -> dict[str, int]:
            """Pin what the run works on; make its models."""
            from quartet.workflows.articles import ArticlesHook

            hook, context = ArticlesHook(site.name), get_current_context()
            with hook.pipeline(context) as pipeline:
                return pipeline.create_model(hook.plan(context))

        def step(name: str, **options):
            """Make the task that does the step of this name; see `include/articles/pipeline.py`."""

            @task(task_id=name, **options)
            def do() -> dict:
                from quartet.workflows.articles import ArticlesHook

                with ArticlesHook(site.name).pipeline(get_current_context()) as pipeline:
                    return getattr(pipeline, name)()

            return do()

        @task(trigger_rule="none_failed")
        def report() -> None:
            """Show what the run did."""
            from quartet.workflows.articles import ArticlesHook

            hook, context = ArticlesHook(site.name), get_current_context()
            with hook.pipeline(context) as pipeline:
                hook.publish(context, pipeline)

        with TaskGroup("events", prefix_group_id=False) as events:
            step("fetch_data") >> step("filter_events")
        with TaskGroup("reading", prefix_group_id=False) as reading:
            # one at a time, over all runs: the newsroom bears so many requests and no more
            step("scrape_metadata", max_active_tis_per_dag=1, execution_timeout=limit) >> step("build_interactions")
        with TaskGroup("popularity", prefix_group_id=False) as popularity:
            step("save_defaults")
        with TaskGroup("related", prefix_group_id=False) as related:
            step("train_model") >> step("save_predictions")
        with TaskGroup("afterwards", prefix_group_id=False) as afterwards:
            step("clean_up", trigger_rule="none_failed")
            report()
        create_model() >> events >> reading >> [popularity, related] >> afterwards

    recommend()


_sites = load_sites(ArticleSettings.load())
for _name, _schedule in schedules(_sites).items():
    article_recs(_sites[_name], _schedule)
