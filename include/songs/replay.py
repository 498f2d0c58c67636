"""Replay of a day of song plays: its outputs made again, aside, and compared with those that were delivered."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from include.core.code import code_version
from include.core.errors import BadDataError, DamagedObjectError
from include.core.replay import Difference, InputGoneError, Replay, Verdict, compare, difference
from include.core.storage import StoragePath, local_copy, write_json
from include.songs import checking, layout, report
from include.songs.engines import duckdb_job
from include.songs.layout import PART, counts_folder, dataset_folder
from include.songs.provenance import Inputs
from include.songs.report import Report
from include.songs.results import FolderOf, IncompleteError, open_part

OUTPUTS: dict[str, FolderOf] = {"dataset": dataset_folder, "counts": counts_folder}


def replay(root: StoragePath, day: date, now: datetime, memory_mb: int) -> Replay:
    """
    Make a completed day again from the sources that its run has read, and keep the verdict.

    Nothing that is delivered is touched. DuckDB does it, whatever engine did it before: both give the same rows.

    Args:
        root: folder of the song plays.
        day: the day.
        now: the present, with its zone.
        memory_mb: memory of DuckDB, in MB.
    """
    when, run = now.isoformat(), None
    try:
        made = _report(root, day)
        run = made.run_id
        found = _changed(root, made) or _compare(root, made, memory_mb)
    except InputGoneError as error:
        result = Replay(run, Verdict.UNKNOWN, when, str(error))
    else:
        reason = f"{found.output} is not what the run has made" if found else ""
        result = Replay(run, Verdict.BAD if found else Verdict.GOOD, when, reason, found)
    write_json(layout.replay_file(root, day), result.as_json())
    return result


def _report(root: StoragePath, day: date) -> Report:
    made = report.read(root, day) if layout.has_outputs(root, day) else None
    if made is None:
        raise InputGoneError(f"{day} is not complete, or its report is gone")
    if made.outputs is None or report.is_sealed(root, day) is None:
        raise InputGoneError(f"the report of {day} has no checksums")
    return made


def _changed(root: StoragePath, made: Report) -> Difference | None:
    """Return what was changed in the report itself; its parameters could not be trusted."""
    sealed = report.is_sealed(root, date.fromisoformat(made.day))
    return None if sealed else difference("report", b"changed", b"as the run has written it")


def _compare(root: StoragePath, made: Report, memory_mb: int) -> Difference | None:
    day, metrics = date.fromisoformat(made.day), made.metrics or {}
    if made.code != code_version():
        raise InputGoneError(f"the code of the run was {made.code}, this is {code_version()}")
    inputs = Inputs(root, made)
    spins, listeners = inputs.find("spins"), inputs.find("listeners")
    if spins is None or listeners is None:
        raise InputGoneError(f"the {'listeners' if spins else 'spins'} that the run has read are gone")
    with tempfile.TemporaryDirectory(prefix="quartet-replay-") as name:
        temp = Path(name)
        again = {output: temp / output for output in OUTPUTS}
        try:
            duckdb_job.run(
                day,
                metrics["minrows"],
                local_copy(spins, temp),
                local_copy(listeners, temp),
                again["dataset"],
                again["counts"],
                metrics["report_timezone"],
                memory_mb,
                temp / "work",
            )
        except BadDataError as error:
            return difference("dataset", b"", str(error).encode())
        for output, folder_of in OUTPUTS.items():
            try:
                with _lines(root, day, folder_of) as kept, gzip.open(again[output] / PART) as lines:
                    if found := compare(output, kept, lines):
                        return found
            except (EOFError, OSError, zlib.error, IncompleteError, DamagedObjectError) as error:
                return difference(output, str(error).encode(), b"")
    known, now = made.outputs or {}, checking.checksums(root, day)
    for output in OUTPUTS:  # the same rows, packed in another way
        if known.get(output) != now[output]:
            return difference(f"file of {output}", now[output].encode(), known.get(output, "").encode())
    return None


@contextmanager
def _lines(root: StoragePath, day: date, folder_of: FolderOf) -> Iterator[gzip.GzipFile]:
    with open_part(root, day, folder_of).file as file, gzip.GzipFile(fileobj=file) as lines:
        yield lines
