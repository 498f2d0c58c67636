"""A labeling task of four windows in two batches, on SQLite."""

from pathlib import Path
from typing import Any

from include.audience.settings import AudienceSettings
from tests.crash import dumps
from tests.crash.harness import Results, Scenario
from tests.support.labeling import DCARD, Lab, post

INSTANT = 1_600_000_000.0
TASK = "1".zfill(32)
NAMES = "panel,keyword,match_type\nfemale,emily,partially\nfemale,olivia,partially\nmale,oliver,partially\n"
POSTS = (
    post("a", "Emily", "00:00:00"),
    post("b", "Oliver", "01:00:00", DCARD),
    post("c", "Olivia", "06:00:00"),
    post("d", "guest", "07:00:00"),
    post("e", "Oliver", "12:00:00"),
    post("f", "Emily Clark", "13:00:00", DCARD),
    post("g", "Emily", "18:00:00"),
    post("h", "Oliver Hall", "23:59:59"),
)
DAY = {"end_time": "2020-01-01 23:59:59"}


class Audience(Scenario):
    """The DAG `audience_labeling`."""

    imports = ("include.audience.pipeline", "sqlalchemy.dialects.sqlite")
    steps = ("open_task", "label_0", "label_1", "close_labeling", "produce")

    def _lab(self, folder: Path) -> Lab:
        settings = AudienceSettings(data_dir=str(folder / "data"), rules_dir=folder / "rules", batch_rows=4)
        return Lab(settings, folder / "storage", clock=lambda: INSTANT)  # pyright: ignore[reportArgumentType]

    def prepare(self, folder: Path) -> None:
        """Write the rules and the posts."""
        lab = self._lab(folder)
        lab.rules(NAMES)
        lab.load(*POSTS)

    def run(self, folder: Path, step: str, results: Results) -> Any:
        """Run a step; a batch is one."""
        pipeline = self._lab(folder).pipeline(**DAY)
        name, _, batch = step.partition("_")
        if name == "label":
            return pipeline.label(results["open_task"][int(batch)])
        return getattr(pipeline, step)()

    def dump(self, folder: Path) -> dict[str, Any]:
        """Return the files of the task and all tables."""
        lab = self._lab(folder)
        found = dumps.files(folder / "storage")
        path = Path(lab.result_url.database or "")
        return found | dumps.sqlite(path, without=("run_time",))

    def view(self, folder: Path) -> Any:
        """Return the result tables of a task that is said to be finished."""
        path = Path(self._lab(folder).result_url.database or "")
        tables = dumps.sqlite(path)
        if not any("'prod_stat': 'finish'" in row for row in tables.get(f"{path.name}:state", [])):
            return None
        return {name: rows for name, rows in tables.items() if "wh_panel_mapping_" in name}
