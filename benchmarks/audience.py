"""Audience labeling: a year of posts in MariaDB through the whole platform, its memory, the API on its results.

make bench, or: python benchmarks/audience.py [year|window|growth|sqlite] …

Needs a MariaDB server (`QUARTET_TEST_MARIADB`, default the local one) and the generator `make_ts_page_content.py` in
the folder `tools` beside the real data (`QUARTET_REAL_DATA`). Databases get names of their own and are dropped.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from sqlalchemy import URL, create_engine, make_url, text  # noqa: E402

from benchmarks.support.database import database  # noqa: E402
from benchmarks.support.memory import PeakMemory  # noqa: E402
from benchmarks.support.platform import Platform, platform  # noqa: E402
from benchmarks.support.report import line, machine  # noqa: E402
from include.audience.rules import files  # noqa: E402

DATA = Path(os.environ.get("QUARTET_REAL_DATA") or ROOT.parent / "shared" / "data")
GENERATOR = DATA.parent / "tools" / "make_ts_page_content.py"
MARIADB = make_url(os.environ.get("QUARTET_TEST_MARIADB") or "mysql+pymysql://root@127.0.0.1:3306/mysql")
ROWS, AUTHORS = 2_376_186, 300_000
TASKS = "/audience/api/tasks/"
RUNS = 3


def generate(url: URL | str, rules_dir: Path, rows: int, *options: str) -> None:
    """Fill a source table and write the rules that belong to it."""
    address = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    folder = rules_dir / "keyword_model"
    line_ = [sys.executable, str(GENERATOR), "--rows", str(rows), "--authors", str(AUTHORS), "--seed", "7", *options]
    subprocess.run([*line_, "--db-url", address, "--patterns-dir", str(folder)], check=True, stdout=subprocess.DEVNULL)


def label(running: Platform, **request: Any) -> tuple[float, dict[str, Any]]:
    """Create a task, wait for its end; give the seconds from the post and its row in `state`."""
    running.wait(running.idle)
    began = time.monotonic()
    task_id = running.post(TASKS, {"countdown": 0, **request})["error_message"]["task_id"]

    def ended() -> bool:
        status = running.get(f"{TASKS}{task_id}")
        if status["status"] == "FAILURE":
            raise RuntimeError(status["detail"])
        return status["prod_status"] is not None

    running.wait(ended, 900, every=0.25)
    seconds = time.monotonic() - began
    [row] = [each for each in running.get(TASKS)["content"] if each["task_id"] == task_id]
    return seconds, row


def plain_loop(source: URL, rules_dir: Path, rows: int = 1_500) -> float:
    """Label as the plainest program does, every pattern tried on every row, in one process; give rows a second."""
    patterns = files.read(rules_dir, "keyword_model", "author_name").patterns
    tests: dict[str, Callable[[str, str], bool]] = {
        "partially": lambda name, word: word in name,
        "start": str.startswith,
        "end": str.endswith,
        "exactly": str.__eq__,
    }
    words = [(each.panel, each.text.lower(), each.match_types) for each in patterns]
    engine = create_engine(source)
    with engine.connect() as connection:
        query = f"SELECT author FROM ts_page_content WHERE author IS NOT NULL LIMIT {rows}"
        names = [row.author for row in connection.execute(text(query))]
    engine.dispose()
    began = time.monotonic()
    for name in names:
        lowered = name.lower()
        {panel for panel, word, types in words for each in types if tests[each](lowered, word)}
    return len(names) / (time.monotonic() - began)


def environment(source: URL, result: URL, rules_dir: Path, **more: str) -> dict[str, str]:
    """Give the settings of a platform over two databases."""
    variables = {"AUDIENCE_RULES_DIR": str(rules_dir), "INPUT_SCHEMA": str(source.database), **more}
    for prefix, url in (("INPUT", source), ("OUTPUT", result)):
        variables |= {f"{prefix}_HOST": url.host or "", f"{prefix}_PORT": str(url.port or 3306)}
        variables |= {f"{prefix}_USER": url.username or "", f"{prefix}_PASSWORD": str(url.password or "")}
    return variables | {"OUTPUT_SCHEMA": str(result.database)}


def year(source: URL, rules_dir: Path) -> None:
    """A year of posts, three times; then the API on the result; then the plain loop."""
    with database(MARIADB) as result, platform(**environment(source, result, rules_dir)) as running:
        times, speeds = [], []
        with PeakMemory(running) as memory:
            for _ in range(RUNS):
                seconds, row = label(running)
                times.append(seconds)
                speeds.append(row["length_receive_table"] / (row["run_time"] * 60))
        what = f"{ROWS:,} posts, post to finish"
        line(f"{what}, median of {RUNS}", f"{statistics.median(times):.1f} s", "<= 60 s, aim 35")
        line(f"{what}, slowest", f"{max(times):.1f} s")
        line("label stage, posts a second, median", f"{statistics.median(speeds):,.0f}", ">= 10,000")
        line("memory of a task process, peak", f"{memory.megabytes:.0f} MB", "<= 400 MB")
        print(f"received {row['length_receive_table']:,}, labelled {row['length_output_table']:,}, {row['result']}")
        names = [f"wh_panel_mapping_{name}" for name in row["result"].split(",")]
        for what, path, query, asked in [
            ("sample_result of all tables", f"{TASKS}{row['task_id']}/sample/", {"table_name": names}, "< 1 s"),
            ("task_list", TASKS, {}, "< 0.1 s"),
            ("coverage", f"{TASKS}{row['task_id']}/coverage", {}, ""),
        ]:
            answers = []
            for _ in range(10):
                began = time.monotonic()
                running.get(path, **query)
                answers.append(time.monotonic() - began)
            line(f"{what}, median of 10", f"{statistics.median(answers):.3f} s", asked)
    plain = plain_loop(source, rules_dir)
    line("plain loop over patterns, one process, posts a second", f"{plain:,.0f}")
    line("label stage against the plain loop", f"{statistics.median(speeds) / plain:.0f} x")


def window(source: URL, rules_dir: Path) -> None:
    """All rows in a single window."""
    settings = environment(source, source, rules_dir, AUDIENCE_WINDOW_HOURS="8784")
    with database(MARIADB) as result, platform(**(settings | {"OUTPUT_SCHEMA": str(result.database)})) as running:
        with PeakMemory(running) as memory:
            seconds, _ = label(running)
        line(f"{ROWS:,} posts in one window, post to finish", f"{seconds:.1f} s")
        line("the same, memory of a task process, peak", f"{memory.megabytes:.0f} MB", "<= 400 MB")


def growth(source: URL, rules_dir: Path) -> None:
    """Four times the rows of the same authors."""
    with database(MARIADB) as large, database(MARIADB) as result:
        generate(large, rules_dir, 4 * ROWS)
        with platform(**environment(source, result, rules_dir)) as running:
            peaks = []
            for schema in (source.database, large.database):
                with PeakMemory(running) as memory:
                    seconds, row = label(running, target_schema=schema)
                peaks.append(memory.megabytes)
                line(f"{row['length_receive_table']:,} posts, post to finish", f"{seconds:.1f} s")
            line(
                "memory of a task process, 4 x the rows", f"{peaks[1]:.0f} MB, {peaks[1] / peaks[0]:.2f} x", "<= 1.10 x"
            )


def sqlite(rules_dir: Path) -> None:
    """The same year in SQLite files, the default."""
    with tempfile.TemporaryDirectory() as folder:
        generate(f"sqlite:///{folder}/wh_year.db", rules_dir, ROWS)
        settings = {"AUDIENCE_DATA_DIR": folder, "AUDIENCE_RULES_DIR": str(rules_dir), "INPUT_SCHEMA": "wh_year"}
        with platform(**settings) as running:
            with PeakMemory(running) as memory:
                seconds, row = label(running)
            line(f"SQLite: {ROWS:,} posts, post to finish", f"{seconds:.1f} s", "<= 300 s")
            speed = row["length_receive_table"] / (row["run_time"] * 60)
            line("SQLite: label stage, posts a second", f"{speed:,.0f}", ">= 10,000")
            line("SQLite: memory of a task process, peak", f"{memory.megabytes:.0f} MB", "<= 400 MB")


def main() -> int:
    """Run what was asked for, or all."""
    asked = sys.argv[1:] or ["year", "window", "growth", "sqlite"]
    machine()
    if not GENERATOR.exists():
        print(f"there is no {GENERATOR}: audience labeling is left out")
        return 0
    with tempfile.TemporaryDirectory() as folder, database(MARIADB) as source:
        rules_dir = Path(folder)
        if asked != ["sqlite"]:
            generate(source, rules_dir, ROWS)
        for name, measure in {"year": year, "window": window, "growth": growth}.items():
            if name in asked:
                measure(source, rules_dir)
        if "sqlite" in asked:
            sqlite(rules_dir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
