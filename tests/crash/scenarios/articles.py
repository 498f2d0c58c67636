"""A run of one site that trains, on SQLite; its events are a small generated archive."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from include.articles import figures
from tests.crash import dumps
from tests.crash.harness import Results, Scenario
from tests.include.articles.runner import END, STEPS, Runner, written

VOLATILE = ("seconds", "asked", "creates", "updates", "new_files", "unchanged", "overlap_with_previous")
"""What the last attempt did, in reports: an attempt after a fault finds some of it done."""


class Archived(Runner):
    """A runner whose events are beside its folder, so that they stay the same objects in every case."""

    @property
    def archive(self) -> Path:
        """Root of the events."""
        return self.root.parent / "events"


class Articles(Scenario):
    """The DAG of a site."""

    imports = ("include.articles.pipeline", "tests.include.articles.runner", "sqlalchemy.dialects.sqlite", "alembic")
    steps = STEPS

    def _runner(self, folder: Path) -> Runner:
        figures.of_run = lambda *_: {}  # they are no result, and take longer than everything else
        return Archived(folder, make_url(f"sqlite:///{folder}/articles.db"))

    def prepare(self, folder: Path) -> None:
        """Write the archive of events, and let an earlier run serve its lists."""
        archive = self._runner(folder).archive
        for path, content in written().items():
            (archive / path).parent.mkdir(parents=True, exist_ok=True)
            (archive / path).write_bytes(content)
        for day in sorted({path.parent.parent for path in archive.rglob("*.gz")}):
            first, *others = sorted(day.rglob("*.gz"))
            with first.open("ab") as file:  # one object a day, of many gzip members
                for path in others:
                    file.write(path.read_bytes())
                    path.unlink()

        runner = self._runner(folder)
        runner.run(runner.plan("earlier", END - timedelta(hours=6)), STEPS[:8])

    def run(self, folder: Path, step: str, results: Results) -> Any:
        """Run a step."""
        runner = self._runner(folder)
        found = runner.run(runner.plan(), [step])[step]
        return dumps.normalised(found, VOLATILE)

    def dump(self, folder: Path) -> dict[str, Any]:
        """Return extracts, files of the run, and all tables."""
        found = dumps.files(
            folder,
            without=("articles.db", "articles.db-wal", "articles.db-shm"),
            volatile=VOLATILE,
            with_ids=True,
        )
        return found | dumps.sqlite(folder / "articles.db")

    def view(self, folder: Path) -> Any:
        """Return the lists that are served."""
        if not (folder / "articles.db").exists() or "articles.db:model" not in dumps.sqlite(folder / "articles.db"):
            return {kind: "[]" for kind in ("popularity", "article")}
        runner = self._runner(folder)
        return {kind: str(runner.served(kind).to_numpy().tolist()) for kind in ("popularity", "article")}
