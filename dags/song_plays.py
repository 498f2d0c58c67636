"""
# Deliver song plays

Every day, for the day before: waits for its spins and for the listeners, then makes what the labels receive, the
dataset of long plays and their counts by zip code and subscription type.

| task | reads | writes |
|---|---|---|
| `open_day` | the outputs of the day | nothing; if they are complete, all else is skipped, and nobody is asked |
| `spins` | the day's spins, remote; waits for them without a worker | a copy |
| `listeners` | the listeners, remote; waits for them without a worker | a copy, and a marker of the day |
| `take_day` | | the lease of the day; waits while another run has it, is skipped when that has completed the day |
| `choose_engine` | the size of the spins | nothing |
| `spark` | spins, a snapshot of the listeners | dataset and counts, by Spark |
| `duckdb` | spins, a snapshot of the listeners | dataset and counts, by DuckDB; for small days |
| `check` | dataset and counts | what is known of the day; gives the lease back |

A run has the day of its param `day`, or the one that its interval begins with. To make a day anew, remove its outputs.
"""

from datetime import datetime, timedelta

from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task

from dags.common import DEFAULTS, SONG_PLAYS, USUAL_MINUTES, deadline
from include.songs.settings import SongSettings
from quartet.alerts.failure import run_failed
from quartet.operators.plays import PlaysOperator
from quartet.sensors.source import DownloadSensor

SETTINGS = SongSettings.load()
FIRST = datetime.combine(SETTINGS.start_date, datetime.min.time()) if SETTINGS.start_date else datetime(2015, 1, 1)
DAY = "{{ ti.xcom_pull(task_ids='open_day') }}"
WAITING = {"poll_seconds": "{{ params.poll_seconds }}", "timeout": SETTINGS.deadline_seconds}


@dag(
    # without a source there is nothing to wait for every day
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=SETTINGS.report_timezone) if SETTINGS.spins_base else None,
    start_date=FIRST.replace(tzinfo=SETTINGS.zone),
    catchup=SETTINGS.start_date is not None,
    max_active_runs=366,  # days that wait do not keep others waiting
    deadline=deadline(SETTINGS.deadline_hours * 60 + USUAL_MINUTES),  # it may wait so long before it works
    on_failure_callback=run_failed,
    default_args=DEFAULTS | {"execution_timeout": timedelta(hours=12)},
    doc_md=__doc__,
    tags=["songs"],
    params={
        "day": Param(None, type=["null", "string"], format="date", description="empty: the run's interval tells it"),
        "minrows": Param(None, type=["null", "integer"], minimum=0, description="least rows of the dataset"),
        "engine": Param(None, enum=[None, "auto", "spark", "duckdb"], description="empty: SONGS_ENGINE"),
        "spins_base": Param("", type="string", description="folder of the spins; empty: SONGS_SPINS_BASE"),
        "poll_seconds": Param(
            SETTINGS.poll_seconds, type="number", exclusiveMinimum=0, description="between two looks"
        ),
        "listeners_base": Param("", type="string", description="folder of the listeners; empty: SONGS_LISTENERS_BASE"),
    },
)
def song_plays():
    """Deliver one day."""

    @task.short_circuit(ignore_downstream_trigger_rules=True)
    def open_day() -> str | None:
        """Tell the run's day, if there is something to do."""
        from include.songs import layout
        from quartet.workflows.songs import SongsHook

        hook = SongsHook()
        day = hook.day(get_current_context())
        return None if layout.has_outputs(hook.root, day) else day.isoformat()

    # A worker may notice the end of a look after 5 s: if the next look comes before, Airflow takes the task for killed.
    @task.sensor(mode="reschedule", poke_interval=15, timeout=SETTINGS.deadline_seconds, trigger_rule="none_failed")
    def take_day() -> bool:
        """Wait until no other run is at work on the day."""
        from quartet.workflows.songs import SongsHook

        return SongsHook().take_day(get_current_context())

    @task.branch
    def choose_engine() -> str:
        """Choose what does the job."""
        from quartet.workflows.songs import SongsHook

        return SongsHook().engine(get_current_context())

    @task
    def duckdb() -> None:
        """Make the outputs of a small day."""
        from quartet.workflows.songs import SongsHook

        SongsHook().run_duck(get_current_context())

    @task(trigger_rule="none_failed_min_one_success", outlets=[SONG_PLAYS])
    def check(*, outlet_events=None) -> dict:
        """Check both outputs."""
        from quartet.workflows.songs import SongsHook

        report = SongsHook().check(get_current_context())
        outlet_events[SONG_PLAYS].extra = report
        return {name: report[name] for name in ("day", "engine", "rows", "groups")}

    spins = DownloadSensor(task_id="spins", source="spins", day=DAY, base="{{ params.spins_base }}", **WAITING)
    listeners = DownloadSensor(
        task_id="listeners", source="listeners", day=DAY, base="{{ params.listeners_base }}", **WAITING
    )
    spark = PlaysOperator(
        task_id="spark",
        name=f"song plays {DAY}",
        conn_id=SETTINGS.spark_conn_id,
        driver_memory=SETTINGS.driver_memory,
        executor_memory=SETTINGS.executor_memory,
        executor_cores=SETTINGS.executor_cores,
        num_executors=SETTINGS.num_executors,
        conf=SETTINGS.spark_conf,
    )
    open_day() >> [spins, listeners] >> take_day() >> choose_engine() >> [spark, duckdb()] >> check()


song_plays()
