"""What each run did, in a few lines: shown by the API and in the run's note."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from include.core.storage import StoragePath, read_json, write_json

Pipeline = Literal["train", "predict"]


@dataclass(frozen=True)
class Report:
    """Result of one DAG run."""

    pipeline: Pipeline
    dag_run_id: str
    input: list[str]
    """Files, or what was asked for."""
    output: list[int]
    """Model versions made or used."""
    made: Literal["computed", "reused", "nothing"]
    reason: str
    """In a few words, for people."""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """One line for the run's note."""
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.counts.items() if count)
        return f"{self.reason}: {counts}" if counts else self.reason


def write(root: StoragePath, report: Report) -> None:
    """Keep the report of a run; a later one of the same run replaces it."""
    write_json(_path(root, report.pipeline, report.dag_run_id), asdict(report))


def read(root: StoragePath, pipeline: Pipeline, dag_run_id: str) -> Mapping[str, Any] | None:
    """Give the report of a run; `None`: it has none (yet)."""
    return read_json(_path(root, pipeline, dag_run_id))


def _path(root: StoragePath, pipeline: Pipeline, dag_run_id: str) -> StoragePath:
    return root / "jobs" / pipeline / f"{quote(dag_run_id, safe='+:')}.json"
