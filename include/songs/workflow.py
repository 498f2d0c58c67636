"""Registration of the songs workflow."""

from include.core.provenance import RowKind
from include.core.telemetry import Metric
from include.core.workflow import Pool, StateMetrics, Workflow
from include.songs.retention import RETENTION
from include.songs.settings import DOWNLOADS, SongSettings

METRICS = {
    "songs.rows": Metric("rows", "rows of a day's dataset", "far from that of the same weekday", ("engine",)),
    "songs.groups": Metric("rows", "rows of a day's counts", tags=("engine",)),
    "songs.plays_outside_day": Metric(
        "rows", "spins in the file that belong to another date", "above 0: source and report zone differ", ("engine",)
    ),
    "songs.plays_without_listener": Metric(
        "rows", "long plays whose listener is missing or unknown", "it jumps: the listeners are old", ("engine",)
    ),
    "songs.engine_seconds": Metric("s", "duration of the job's steps", tags=("engine",)),
    "songs.data_lag_hours": Metric(
        "h", "time since the end of the newest delivered day", "above 24 + `SONGS_DEADLINE_HOURS`"
    ),
}  # fmt: skip
"""Full name → metric."""

WORKFLOW = Workflow(
    name="songs",
    title="Song plays",
    dags=("song_plays",),
    settings=SongSettings,
    retention=RETENTION,
    metrics=METRICS,
    pools={DOWNLOADS: Pool(2, "song plays: downloads of spins and listeners, which a server may slow down")},
    rows=(
        RowKind(("{day}", "dataset", "{line}"), "song_plays", "a line of a day's dataset, from 1"),
        RowKind(
            ("{day}", "counts", "{zip}", "{subscription}"),
            "song_plays",
            "plays of a day by zip code and subscription type; both may be empty",
        ),
        RowKind(("{day}", "spins", "{position}"), "song_plays", "a row of a day's spins, from 0"),
    ),
    state_metrics=StateMetrics(reads="reports of the days", reports="the time since the end of the newest one"),
)
