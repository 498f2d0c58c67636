"""
The stack of docker-compose.yaml: its time to start, its memory, and its results while containers are killed.

    python benchmarks/compose.py          start, idle memory, demo, predictions
    python benchmarks/compose.py chaos    also a mixed load, undisturbed and with a container killed every 20 s

It is skipped if there is no Docker engine.
"""

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from benchmarks.support.report import line, machine  # noqa: E402
from tests.compose.stack import Stack  # noqa: E402
from tests.compose.work import day_conf, put_day, serve_gazette  # noqa: E402

PREDICTIONS = 20
KILL_EVERY_SECONDS, CHAOS_SECONDS = 20, 300
POSTS, POST_EVERY_SECONDS = 80, 4
AUDIENCE_TASKS = 2
ARTICLES = "article_recs__demo_gazette"
Results = dict[Any, Any]


def start(stack: Stack) -> None:
    """Build and start the stack, and measure both."""
    began = time.monotonic()
    stack.compose("build", seconds=1800)
    line("image built, with the cached layers of base and packages", f"{time.monotonic() - began:.0f} s")
    line("docker compose up → all healthy", f"{stack.up():.0f} s", "<= 240 s")
    stack.sign_in()
    time.sleep(60)
    sizes = stack.megabytes()
    line("idle memory of the stack", f"{sum(sizes.values()):,.0f} MB", "< 6,144 MB")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"  {name.removeprefix(stack.project + '-'):20} {size:7,.0f} MB")


def demo(stack: Stack) -> None:
    """Run the demo and measure it."""
    began = time.monotonic()
    printed = stack.compose("--profile", "demo", "run", "--rm", "demo")
    line("the demo", f"{time.monotonic() - began:.0f} s", "<= 300 s")
    print(printed)


def predictions(stack: Stack) -> None:
    """Measure the time from the post of two pairs until their answer is ready."""
    seconds = []
    for _ in range(PREDICTIONS):
        began = time.monotonic()
        asked = stack.post("/ratings/predict", {"data": ["233 346", "125 378"]})["filename"]
        stack.wait(lambda asked=asked: stack.post("/ratings/result", {"filename": asked})["ready"], 120, asked)
        seconds.append(time.monotonic() - began)
    line(f"POST /ratings/predict → ready, median of {PREDICTIONS}", f"{statistics.median(seconds):.2f} s", "<= 6 s")
    line("the same, slowest", f"{max(seconds):.2f} s")


def load(stack: Stack, day: date, folder: Path, site: Results) -> Results:
    """Put a mixed load on the stack, wait until all of it is done, and return the results."""
    planted = put_day(stack, day, folder)
    songs = stack.trigger("song_plays", day_conf(day, "spark"))
    articles = stack.trigger(ARTICLES, site)
    tasks = [
        stack.post("/audience/api/tasks/", {"countdown": 1})["error_message"]["task_id"] for _ in range(AUDIENCE_TASKS)
    ]
    asked = []
    for number in range(POSTS):
        pairs = [f"{number % 900 + 1} {item}" for item in (346, 355, 378)]
        asked.append(stack.post("/ratings/predict", {"data": pairs})["filename"])
        time.sleep(POST_EVERY_SECONDS)
    stack.finished(songs, 1200)
    stack.finished(articles, 1200)
    for task in tasks:
        stack.wait(
            lambda task=task: stack.get(f"/audience/api/tasks/{task}").get("prod_status") == "finish", 1200, task
        )
    answers = []
    for name in asked:
        stack.wait(lambda name=name: stack.post("/ratings/result", {"filename": name})["ready"], 600, name)
        answers.append(stack.post("/ratings/result", {"filename": name})["data"])
    results = {"ratings": answers, **_audience(stack, tasks), "articles": _lists(stack, articles)}
    return {**results, "songs, as planted": _day(stack, day) == planted}


def _audience(stack: Stack, tasks: list[str]) -> Results:
    names = ("length_receive_table", "length_output_table", "length_prod_table", "rate_of_label", "result")
    rows = {row["task_id"]: row for row in stack.get("/audience/api/tasks/")["content"]}
    return {f"audience {number}": [rows[task][name] for name in names] for number, task in enumerate(tasks, 1)}


def _lists(stack: Stack, run: str) -> Results:
    """Return the lists of all articles, with scores, but without the models' numbers."""
    models = stack.get(f"{run}/taskInstances/create_model/xcomEntries/return_value")["value"]
    sources = stack.get(f"/articles/models/{models['article']}/articles")["results"]

    def recs(model: int, source: str) -> list[tuple[str, str]]:
        found = stack.get("/articles/recs", site="demo-gazette", model_id=model, source_entity_id=source, size=499)
        return [(each["recommended_article"]["external_id"], each["score"]) for each in found["results"]]

    lists = {each["external_id"]: recs(models["article"], each["external_id"]) for each in sources}
    return {"": recs(models["popularity"], "default"), **lists}


def _day(stack: Stack, day: date) -> Results:
    rows = stack.get(f"/songs/days/{day}/counts")["rows"]
    return {(row["zip"], row["subscription"]): row["spins"] for row in rows}


@contextmanager
def killing(stack: Stack, seed: int = 7) -> Iterator[list[str]]:
    """Kill (-9) random containers while the block runs, for up to `CHAOS_SECONDS`; yield the list of the killed."""
    choose, over, killed = random.Random(seed), threading.Event(), []
    services = sorted({each["Service"] for each in stack.containers()})

    def kill() -> None:
        deadline = time.monotonic() + CHAOS_SECONDS
        while not over.wait(KILL_EVERY_SECONDS) and time.monotonic() < deadline:
            service = choose.choice(services)
            if stack.kill(service):
                killed.append(service)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def chaos(stack: Stack, folder: Path) -> bool:
    """Compare the results of a load under kills with those of an undisturbed one."""
    first = date(2021, 3, 1)
    with serve_gazette(stack) as site:
        began = time.monotonic()
        calm = load(stack, first, folder, site)
        line("mixed load, undisturbed", f"{time.monotonic() - began:.0f} s")
        began = time.monotonic()
        with killing(stack) as killed:
            disturbed = load(stack, first + timedelta(days=7), folder, site)
        line(f"mixed load, {len(killed)} containers killed", f"{time.monotonic() - began:.0f} s")
    print(f"  killed: {', '.join(killed)}")
    for name, expected in calm.items():
        line(f"{name}: the same results", str(disturbed[name] == expected), "True")
    return disturbed == calm and calm["songs, as planted"]


def main() -> int:
    """Run the benchmark; return 1 if killing containers changed a result."""
    machine()
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        print("no Docker engine answers: the stack is skipped")
        return 0
    stack = Stack(QUARTET_TASK_RETRIES="20")
    try:
        start(stack)
        demo(stack)
        predictions(stack)
        if sys.argv[1:] == ["chaos"]:
            with tempfile.TemporaryDirectory() as folder:
                return 0 if chaos(stack, Path(folder)) else 1
    finally:
        stack.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
