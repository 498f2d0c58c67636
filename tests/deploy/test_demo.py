"""Parts of the demo that need no platform."""

import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from rich.table import Table

from deploy.demo import articles, ratings, songs
from deploy.demo.articles import gazette
from deploy.demo.articles.gazette import Article, Gazette
from deploy.demo.client import DemoError, Platform
from deploy.demo.ratings import base as demo_base
from deploy.demo.report import Result, show
from deploy.demo.songs import generate, music
from include.core.errors import BadDataError
from include.core.storage import write_json
from include.ratings.data import base
from include.songs import results
from include.songs.engines import duckdb_job


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def text(console: Console) -> str:
    return console.file.getvalue()


def refuse():
    raise ConnectionError("no route")


def test_without_movielens_it_says_so_loudly_and_generates(home, monkeypatch):
    monkeypatch.delenv("MOVIELENS_100K", raising=False)
    monkeypatch.setattr(demo_base, "_fetch", refuse)
    shown = console()
    demo_base.provide(shown)
    assert "MovieLens 100K cannot be downloaded" in text(shown)
    assert "generated ratings" in text(shown)
    assert base.stored_source(home / "data" / "ratings") == "generated"


def test_generated_data_give_way_to_the_real_ones(home, monkeypatch, small_data):
    root = home / "data" / "ratings"
    base.store(root, small_data, base.GENERATED)
    monkeypatch.delenv("MOVIELENS_100K", raising=False)
    monkeypatch.setattr(demo_base, "_fetch", lambda: (small_data + b"9\t9\t5\t9\n", "address"))
    demo_base.provide(console())
    assert base.stored_source(root) == "address"
    monkeypatch.setattr(demo_base, "_fetch", refuse)
    demo_base.provide(console())
    assert base.stored_source(root) == "address"


def test_a_wrong_copy_is_refused_not_replaced(home, tmp_path, monkeypatch):
    (tmp_path / "u.data").write_text("1\t1\t1\t1\n")
    monkeypatch.setenv("MOVIELENS_100K", str(tmp_path))
    with pytest.raises(BadDataError, match=r"u\.data is not the file"):
        demo_base.provide(console())


@pytest.fixture
def small_data() -> bytes:
    return b"1\t1\t5\t1\n"


@pytest.mark.parametrize("answer", ["", "233 346 4.0\n", "233 346 4.0\n125 378 9.0\nnobody 346 3.0\n"])
def test_a_wrong_answer_is_not_taken_for_right(answer):
    with pytest.raises(DemoError):
        ratings._check_lines(answer)


def test_a_missing_result_is_reported():
    platform = Platform("http://127.0.0.1:9")
    with pytest.raises(DemoError, match="the answer: no result after 0 s"):
        platform.wait(lambda: None, 0, "the answer")
    with pytest.raises(DemoError, match="answered 404: no such thing"):
        platform._checked(httpx.Response(404, text="no such thing", request=httpx.Request("GET", "http://x/y")))


def test_the_table_has_result_path_duration_and_address():
    shown = console()
    show(shown, "http://h:1", [Result("ratings", "a [model]", "ratings/models/1.json", 1.23, "/ratings/models")])
    for part in ("a [model]", "ratings/models/1.json", "1.2", "http://h:1/ratings/models"):
        assert part in text(shown)


def test_pictures_come_below_the_table():
    shown, picture = console(), Table("a picture")
    show(shown, "http://h:1", [Result("articles", "what", "where", 1, "/look", picture), Result(*"abc", 1, "/d")])
    assert text(shown).index("http://h:1/d") < text(shown).index("a picture")


def gazette_of(count: int = 8, *faults: str) -> Gazette:
    """Return a site whose articles are all on one topic."""
    made = [
        Article(str(number), f"Title [{number}]", "food", f"slug-{number}", "2026-03-09T08:00:00+00:00", fault)
        for number, fault in zip(range(count), [*faults, *[None] * count], strict=False)
    ]
    return Gazette(datetime(2026, 3, 10, tzinfo=UTC), made)


def rec(article: Article, score: float = 0.5, status: str = "current", **changed) -> dict:
    shown = {"external_id": article.external_id, "title": article.title, "path": article.path} | changed
    return {"score": f"{score:.6f}", "model": {"id": 1, "status": status}, "recommended_article": shown}


def related(site: Gazette) -> dict[str, list[dict]]:
    return {each.external_id: [rec(other) for other in site.articles if other != each] for each in site.articles}


def test_right_recommendations_pass():
    site = gazette_of()
    assert articles._check(site, related(site), [rec(site.articles[0])], 20) == 1
    short = {source: recs[:5] for source, recs in related(site).items()}
    assert articles._check(site, short, [rec(site.articles[0])], 5) == 1


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (lambda site, lists, defaults: defaults.clear(), "found 0 defaults, lists of 8"),
        (lambda site, lists, defaults: [lists.popitem() for _ in range(3)], "lists of 5 articles"),
        (lambda site, lists, defaults: lists["3"].pop(), "7 recommendations for article 3 were expected, found 6"),
        (lambda site, lists, defaults: lists["3"].append(rec(site.articles[0])), "7 recommend.* found 8"),
        (lambda site, lists, defaults: defaults.append(rec(site.articles[1], title="")), "the site has Art"),
        (lambda site, lists, defaults: defaults.append(rec(site.articles[1], path="/o")), "the site has Art"),
        (lambda site, lists, defaults: defaults.append(rec(gazette_of(9).articles[8])), "the site has None"),
        (lambda site, lists, defaults: defaults.append(rec(site.articles[1], status="stale")), "a current model"),
    ],
)
def test_wrong_recommendations_are_told(problem, expected):
    site = gazette_of()
    lists, defaults = related(site), [rec(site.articles[0])]
    problem(site, lists, defaults)
    with pytest.raises(DemoError, match=expected):
        articles._check(site, lists, defaults, 20)


@pytest.mark.parametrize("fault", gazette.FAULTS)
def test_an_article_that_must_not_be_recommended_is_told(fault):
    site = gazette_of(8, fault)
    with pytest.raises(DemoError, match=fault):
        articles._check(site, related(site), [rec(site.articles[1])], 20)


def test_recommendations_on_other_topics_are_told():
    site = gazette_of()
    lists = related(site)
    mixed = [replace(each, topic=f"topic {number % 3}") for number, each in enumerate(site.articles)]
    with pytest.raises(DemoError, match=r"60% of the first 5 were expected on the planted topic, found \d\d%"):
        articles._check(Gazette(site.end, mixed), lists, [rec(mixed[0])], 20)


def test_related_articles_are_shown_beside_the_defaults():
    first, second, third = gazette_of(3).articles
    shown = console()
    shown.print(articles._picture("A [title]", [rec(second, 0.25), rec(third)], [rec(first, 1)]))
    assert [
        line for line in text(shown).splitlines() if "Title [1]" in line and "0.250" in line and "Title [0]" in line
    ]
    assert "A [title]" in text(shown)


class Answers(Platform):
    """A platform that says what it is told to say."""

    def __init__(self, **answers) -> None:
        self.url, self.answers = "http://h:1", answers

    def get(self, path, **query):
        return self.answers[path.rpartition("/")[2]]


def test_a_run_is_followed_to_its_end():
    tasks = [{"task_id": "create_model", "state": "success"}, {"task_id": "reading.scrape", "state": "running"}]
    said = []
    answers = Answers(run={"state": "running"}, taskInstances={"task_instances": tasks})
    assert not articles._finished(answers, "/dags/d/run", said.append)
    assert said == ["articles: 1 of 2 tasks are done, now scrape"]
    answers.answers["run"] = {"state": "success"}
    assert articles._finished(answers, "/dags/d/run", said.append)
    tasks[1]["state"] = "failed"
    answers.answers["run"] = {"state": "failed"}
    with pytest.raises(DemoError, match="has failed in scrape"):
        articles._finished(answers, "/dags/d/run", said.append)


def test_without_its_site_the_demo_leaves_article_recommendations_out(home):
    assert articles.run(Answers(), print) == []


def test_what_is_missing_for_a_run_is_told(home):
    (home / "sites.yaml").write_text(gazette.ENTRY.format(domain="d.example", events="file:///e", days=14))
    with pytest.raises(DemoError, match=r"deploy\.demo\.articles makes it"):
        articles.run(Answers(), lambda text: None)
    write_json(home / "data/demo-gazette/gazette.json", {"end": "2026-03-10T00:00:00+00:00", "articles": []})
    dags = [{"dag_id": articles.DAG + "_2", "is_paused": False}, {"dag_id": articles.DAG, "is_paused": True}]
    with pytest.raises(DemoError, match="article_recs__demo_gazette is paused"):
        articles.run(Answers(dags={"dags": dags}), lambda text: None)


TODAY = date(2026, 3, 10)
DAY = TODAY - timedelta(days=2)


def test_the_music_service_gives_the_spins_when_they_are_released():
    with music.serve() as service:
        service.prepare(DAY)
        assert httpx.get(f"{service.address}/listeners.snappy.parquet").content[:4] == b"PAR1"
        address = f"{service.address}/spins-2026-03-08.snappy.parquet"
        assert httpx.head(address).status_code == 404
        service.release(DAY)
        assert httpx.head(address).status_code == 200
        (service.folder / "spins").write_bytes(httpx.get(address).content)
        assert pq.read_table(service.folder / "spins").num_rows == 5000
    assert not service.folder.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.head(address)


def test_what_is_to_come_of_the_plays_is_what_comes_of_them(tmp_path: Path):
    found = job(tmp_path, tmp_path, DAY)
    assert {(each.zip, each.subscription): each.spins for each in found} == music.expected(*generate.make(DAY))


def job(folder: Path, root: Path, day: date) -> list[results.Count]:
    """Write a day's outputs from the generator's rows; return the counts."""
    paths = [folder / name for name in ("spins", "listeners")]
    for table, path in zip(generate.make(day), paths, strict=True):
        generate.write(table, path)
    outputs = [root / "output" / f"{day:%Y/%m/%d}" / name for name in ("dataset", "counts_by_zip_sub")]
    duckdb_job.run(day, 100, *paths, *outputs, "America/New_York", 500, folder)
    return results.read_counts(root, day)


class Music(Platform):
    """A platform whose runs do their work when one looks at them, and wait for what is not there."""

    def __init__(self, folder: Path) -> None:
        self.url, self.folder = "http://h:1", folder
        self.paused = False
        self.known: dict[str, str] = {}
        self.runs: list[dict] = []
        self.counts: dict[str, list[dict]] = {}

    def trigger(self, dag_id, run_id, conf):
        assert dag_id == "song_plays"
        assert conf["day"] in run_id
        self.runs.append(conf)
        return f"/api/v2/dags/song_plays/dagRuns/{len(self.runs) - 1}"

    def get(self, path, **query):
        *_, above, name = path.split("/")
        match above, name:
            case "dags", "song_plays":
                return {"is_paused": self.paused}
            case "dagRuns", number:
                return {"state": self.look(self.runs[int(number)])}
            case number, "taskInstances":
                waits = {"success": "success", "running": "deferred", "failed": "failed"}
                return {"task_instances": [{"task_id": "spins", "state": waits[self.look(self.runs[int(number)])]}]}
            case "songs", "days":
                return {"days": [{"day": day, "state": state} for day, state in self.known.items()]}
            case "days", day:
                return {"day": day, "state": self.known[day], "rows": sum(each["spins"] for each in self.counts[day])}
            case day, "counts":
                return {"day": day, "rows": self.counts[day]}

    def look(self, conf: dict) -> str:
        day = conf["day"]
        if self.known.get(day) != "complete":
            self.known[day] = "waiting"
            if httpx.head(f"{conf['spins_base']}/spins-{day}.snappy.parquet").is_success:
                made = job(self.folder, self.folder, date.fromisoformat(day))
                self.counts[day] = [
                    {"zip": each.zip, "subscription": each.subscription, "spins": each.spins} for each in made
                ]
                self.known[day] = "complete"
        return {"complete": "success", "waiting": "running"}[self.known[day]]


def test_a_day_is_finished_and_another_waits_until_its_spins_come(home, tmp_path):
    platform, said = Music(tmp_path), []
    first, second = songs.run(platform, said.append)
    days = [conf["day"] for conf in platform.runs]
    assert [platform.known[day] for day in days] == ["complete", "complete"]
    assert (first.summary[:10], second.summary[:10]) == tuple(days)
    total = sum(each["spins"] for each in platform.counts[days[0]])
    assert f"{total:,} plays" in first.summary
    assert re.search(r"waited \d+ s for its spins, then [\d,]+ plays", second.summary)
    assert first.url_path == f"/songs/days/{days[0]}"
    assert f"songs: {days[0]}: 1 of 1 tasks are done" in said
    songs.run(platform, said.append)
    assert len({conf["day"] for conf in platform.runs}) == 4


def test_days_of_which_something_is_there_are_left_alone(tmp_path):
    platform = Music(tmp_path)
    assert songs._free_days(platform, TODAY) == (date(2026, 3, 8), date(2026, 3, 9))
    platform.known = {"2026-03-09": "incomplete", "2026-03-06": "complete"}
    assert songs._free_days(platform, TODAY) == (date(2026, 3, 4), date(2026, 3, 5))
    platform.known = {f"{TODAY - timedelta(days=ago)}": "complete" for ago in range(1000)}
    with pytest.raises(DemoError, match="none of the last 1000 days is free"):
        songs._free_days(platform, TODAY)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"day": {"state": "complete", "rows": 6}}, "5 plays of 2026-03-08 were expected, found"),
        ({"day": {"state": "incomplete", "rows": 5}}, "5 plays of 2026-03-08 were expected, found"),
        ({"counts": {"rows": [{"zip": 10138, "subscription": "Plus", "spins": 5}]}}, "2 counts of 2026-03-08"),
    ],
)
def test_wrong_figures_of_a_day_are_told(wrong, expected):
    counts = {(10138, "Plus"): 3, (10138, "Family"): 2}
    rows = [{"zip": 10138, "subscription": name, "spins": spins} for name, spins in (("Family", 2), ("Plus", 3))]
    right = {"2026-03-08": {"state": "complete", "rows": 5}, "counts": {"rows": rows}}
    songs._check(Answers(**right), DAY, counts)
    wrong = {DAY.isoformat() if name == "day" else name: answer for name, answer in wrong.items()}
    with pytest.raises(DemoError, match=expected):
        songs._check(Answers(**right | wrong), DAY, counts)


def test_a_run_that_does_not_wait_or_fails_is_told():
    tasks = [{"task_id": "download_spins", "state": "failed"}, {"task_id": "check", "state": "upstream_failed"}]
    answers = Answers(run={"state": "failed"}, taskInstances={"task_instances": tasks})
    with pytest.raises(DemoError, match="has failed in download_spins;"):
        songs._finished(answers, "/dags/d/run", "a day", print)
    with pytest.raises(DemoError, match="expected to wait for its spins, found failed"):
        songs._is_waiting(answers, "/dags/d/run")
    answers.answers["run"] = {"state": "running"}
    assert not songs._is_waiting(answers, "/dags/d/run")
    tasks[0]["state"] = "deferred"
    assert songs._is_waiting(answers, "/dags/d/run")


def test_a_day_that_does_not_wait_for_its_spins_is_told(home, tmp_path, monkeypatch):
    platform = Music(tmp_path)

    def fetched(*_) -> bool:
        platform.known[platform.runs[1]["day"]] = "fetched"
        return True

    monkeypatch.setattr(songs, "_is_waiting", fetched)
    with pytest.raises(DemoError, match="was expected to wait for its spins, found fetched"):
        songs.run(platform, lambda text: None)


def test_songs_that_are_paused_are_told(home, tmp_path):
    platform = Music(tmp_path)
    platform.paused = True
    with pytest.raises(DemoError, match="the DAG song_plays is paused"):
        songs.run(platform, print)


def test_made_up_plays_do_not_come_among_the_users(home, monkeypatch, tmp_path):
    monkeypatch.setenv("SONGS_SPINS_BASE", "https://music.example/spins")
    platform = Music(tmp_path)
    assert songs.run(platform, print) == []
    assert platform.runs == []
