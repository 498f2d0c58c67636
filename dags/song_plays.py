"""
# Deliver song plays

Every day, for the day before: waits for the day's spins and for the listeners, then writes what the labels receive, the
dataset of long plays and their counts by zip code and subscription type.

| task | reads | writes |
|---|---|---|
| `open_day` | the outputs of the day | nothing; if they are complete, all other tasks are skipped |
| `spins` | the day's remote spins; waits for them without a worker | a copy |
| `listeners` | the remote listeners; waits for them without a worker | a copy, and the day's marker |
| `take_day` | | the lease of the day; waits while another run has it, and is skipped if that has completed the day |
| `choose_engine` | the size of the spins | nothing |
| `spark` | spins, a snapshot of the listeners | dataset and counts, by Spark |
| `duckdb` | spins, a snapshot of the listeners | dataset and counts, by DuckDB; for small days |
| `check` | dataset and counts | the report of the day; releases the lease |

The day is the param `day`, or the one that the run's interval begins with. To write a day again, remove its outputs.

**Try it**: set `SONGS_SPINS_BASE` and `SONGS_LISTENERS_BASE`, or name the folders here, and trigger it with

```json
{"day": "2019-02-08", "engine": "duckdb", "minrows": 100}
```

**Does not guard against** spins that change after they were downloaded: a day is downloaded once.
"""

from datetime import datetime, timedelta

from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task

from dags.common import DEFAULTS, SONG_PLAYS, USUAL_MINUTES, deadline
from include.songs.settings import SongSettings
from quartet.alerts.failure import run_failed
from quartet.operators.plays import PlaysOperator
from quartet.sensors.download import DownloadSensor

SETTINGS = SongSettings.load()
FIRST = datetime.combine(SETTINGS.start_date, datetime.min.time()) if SETTINGS.start_date else datetime(2015, 1, 1)
TEXT = ["null", "string"]
DAY = "{{ ti.xcom_pull(task_ids='open_day') }}"
WAITING = {"day": DAY, "poll_seconds": "{{ params.poll_seconds }}", "timeout": SETTINGS.deadline_seconds}


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=SETTINGS.report_timezone) if SETTINGS.spins_base else None,
    start_date=FIRST.replace(tzinfo=SETTINGS.zone),
    catchup=SETTINGS.start_date is not None,
    max_active_runs=366,  # days that wait do not keep others waiting
    deadline=deadline(SETTINGS.deadline_hours * 60 + USUAL_MINUTES),  # the wait comes before the work
    on_failure_callback=run_failed,
    default_args=DEFAULTS | {"execution_timeout": timedelta(hours=12)},
    doc_md=__doc__,
    tags=["songs"],
    params={
        "day": Param(None, type=TEXT, format="date", description="if empty, the run's interval decides"),
        "minrows": Param(None, type=["null", "integer"], minimum=0, description="minimum number of dataset rows"),
        "engine": Param(None, enum=[None, "auto", "spark", "duckdb"], description="if empty, SONGS_ENGINE"),
        "spins_base": Param(None, type=TEXT, description="folder of spins; if empty, SONGS_SPINS_BASE"),
        "poll_seconds": Param(SETTINGS.poll_seconds, type="number", minimum=1, description="between checks"),
        "listeners_base": Param(None, type=TEXT, description="folder of listeners; if empty, SONGS_LISTENERS_BASE"),
    },
)
def song_plays():
    """Deliver one day."""

    @task.short_circuit(ignore_downstream_trigger_rules=True)
    def open_day() -> str | None:
        """Return the run's day, unless it is complete."""
        from quartet.workflows.songs import songs_run

        with songs_run(get_current_context()) as run:
            return run.open_day()

    # A worker notices the end of a check after up to 5 s; if the next one came sooner, Airflow would call it killed.
    @task.sensor(mode="reschedule", poke_interval=15, timeout=SETTINGS.deadline_seconds, trigger_rule="none_failed")
    def take_day() -> bool:
        """Wait until no other run has the day."""
        from quartet.workflows.songs import songs_run

        with songs_run(get_current_context()) as run:
            return run.take_day()

    @task.branch
    def choose_engine() -> str:
        """Choose the engine of the job."""
        from quartet.workflows.songs import songs_run

        with songs_run(get_current_context()) as run:
            return run.choose_engine()

    @task
    def duckdb() -> None:
        """Write the outputs with DuckDB."""
        from quartet.workflows.songs import songs_run

        with songs_run(get_current_context()) as run:
            run.duckdb()

    @task(trigger_rule="none_failed_min_one_success", outlets=[SONG_PLAYS])
    def check(*, outlet_events=None) -> dict:
        """Check both outputs."""
        from quartet.workflows.songs import songs_run

        with songs_run(get_current_context()) as run:
            report = run.check()
            outlet_events[SONG_PLAYS].extra = report.as_json()
            return report.summary()

    spins = DownloadSensor(task_id="spins", name="spins", base="{{ params.spins_base or '' }}", **WAITING)
    listeners = DownloadSensor(
        task_id="listeners", name="listeners", base="{{ params.listeners_base or '' }}", **WAITING
    )
    spark = PlaysOperator(task_id="spark", name=f"song plays {DAY}", **SETTINGS.spark_submit)
    open_day() >> [spins, listeners] >> take_day() >> choose_engine() >> [spark, duckdb()] >> check()


song_plays()
