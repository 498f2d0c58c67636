"""Results of the steps of a labeling task, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.audience.results import production
from include.audience.source.posts import Source
from include.core.database.errors import DatabaseRefusedError
from tests.support.labeling import DCARD, FBFANS, FBPM, UNMAPPED, Lab, Outcome, ids, post

EXAMPLE = (
    post("r1", "Lily Goh", "00:10:00"),
    post("r8", None, "01:00:00"),
    post("r9", "visitor9", "02:00:00"),
    post("r2", "Lily Goh", "05:00:00"),
    post("r3", "Lily Goh", "06:00:00"),
    post("r4", "Mark Sim", "07:00:00"),
    post("r5", "nobody", "08:00:00"),
    post("r6", "Lily Mark", "12:00:00"),
    post("r7", "Mark Late", "12:00:01"),
)
TOPICS = "panel,keyword,match_type\nfemale,ballet,partially\nmale,engine,partially\n"
"""Rules for content, where an author can get two panels."""
SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)


def label_topics(lab: Lab, *posts: tuple[str, str, str], **asked: object) -> Outcome:
    """Label (id, time, content) of one author in four windows."""
    lab.rules(TOPICS, predict_type="content")
    lab.load(*(post(id, "Kim", time, content=content) for id, time, content in posts))
    return lab.run(predict_type="content", end_time="2020-01-02 00:00:00", **asked)


def test_the_worked_example(lab):
    lab.load(*EXAMPLE)
    found = lab.run()
    assert ids(found.temp["fbpm"]) == ["r2", "r3", "r4", "r6"]
    assert ids(found.production["fbpm"]) == ["r3", "r4", "r6"]
    assert found.production["fbpm"][0] == (
        "r3", "WH_F0072_Lily Goh", "/female", datetime(2020, 1, 1, 6), "WH_F0072", "Lily Goh",
    )  # fmt: skip
    assert [row[2] for row in found.production["fbpm"]] == ["/female", "/male", "/female"]
    assert str(found.state.pop("create_time"))[:19] == "2020-09-13 20:27:10"  # in Taipei
    assert found.state == {
        "task_id": "1".zfill(32),
        "stat": "SUCCESS",
        "prod_stat": "finish",
        "model_type": "keyword_model",
        "predict_type": "author",
        "date_range": "2020-01-01 00:00:00 - 2020-01-01 12:00:00",
        "target_table": lab.settings.input_schema,
        "peak_memory": None,
        "length_receive_table": 7,
        "length_output_table": 4,
        "length_prod_table": "3",
        "result": "fbpm",
        "uniq_source_author": "5",
        "rate_of_label": "60.0",
        "run_time": 0.5,
        "check_point": None,
        "error_message": None,
    }


def test_a_window_is_a_batch_when_asked_for_and_changes_nothing(lab):
    lab.load(*EXAMPLE)
    assert lab.pipeline("1", batch_rows=1).open_task() == [0, 1]
    together, apart = lab.run("2"), lab.run("1", batch_rows=1)
    assert apart.content == together.content
    assert apart.state["run_time"] == 1.5  # from the begin of the first batch to the end of the second


def test_what_counts(lab):
    lab.load(
        post("a", "Lily", "00:00:00", DCARD),  # goes to two tables
        post("b", "guest", "01:00:00", DCARD),
        post("c", "Mark", "02:00:00", UNMAPPED),  # received, but of no table
        post("d", "", "03:00:00"),  # empty is a name
        post("e", "guest", "04:00:00"),  # in a window without labelled rows of this table
        post("f", "Lily", "06:00:00"),
        post("g", "Lily", "07:00:00", None),  # not received
        post("h", None, "07:00:00"),  # not received
    )
    found = lab.run().report
    assert found["length_receive_table"] == 6
    assert found["length_output_table"] == 3
    assert found["result"] == "Dcard,fbpm,forum"
    assert found["uniq_source_author"] == "2,3,2"
    assert found["length_prod_table"] == "1,1,1"
    assert found["rate_of_label"] == "50.0,33.33,50.0"


def test_authors_are_trimmed_and_case_counts(lab):
    names = ["Lily", "Lily ", "Lily\u3000", "Lily\t\n ", "LILY", "lily", "líly Lily", " Lily"]
    lab.load(*(post(f"r{number}", name, f"00:00:0{number}") for number, name in enumerate(names)))
    found = lab.run()
    authors = [row[1] for row in found.production["fbpm"]]
    assert authors == [f"WH_F0072_{name}" for name in ("Lily", "LILY", "lily", "líly Lily", " Lily")]
    assert found.production["fbpm"][0][5] == "Lily\t\n "  # the latest, as it was written
    assert found.state["uniq_source_author"] == "5"


def test_an_author_belongs_to_a_source(lab):
    lab.load(post("a", "Lily", "00:00:00", "WH_F0002"), post("b", "Lily", "00:00:00", "WH_F0003"))
    found = lab.run()
    assert [row[1] for row in found.production["forum"]] == ["WH_F0002_Lily", "WH_F0003_Lily"]
    assert found.state["uniq_source_author"] == "2"


def test_the_latest_row_of_an_author_is_kept(lab):
    lab.load(
        post("10", "Lily", "05:00:00"), post("9", "Lily", "05:00:00"), post("b", "Lily", "04:59:59"),
        post("Z", "Mark", "05:00:00"), post("a", "Mark", "05:00:00"),
    )  # fmt: skip
    assert ids(lab.run().production["fbpm"]) == ["9", "a"]  # of two of the same second the greater id, as text


def test_tables_are_in_the_order_of_the_source_map(lab):
    sources = ["wh_v001", FBPM, "WH_N0001", "WH_B0002", "WH_F0183", FBFANS]
    lab.load(
        *(
            post(f"{table}-{author}", f"Mark {author}" if author == 0 else f"guest {author}", "03:00:00", s_id)
            for table, s_id in enumerate(sources)
            for author in range(table + 1)
        )
    )
    found = lab.run().report
    assert found["result"] == "Comment,blog,fbfans,fbpm,news,video"
    assert found["uniq_source_author"] == "5,4,6,2,3,1"
    assert found["length_prod_table"] == "1,1,1,1,1,1"
    assert found["rate_of_label"] == "20.0,25.0,16.67,50.0,33.33,100.0"


@SQLITE
@pytest.mark.parametrize(
    ("labelled", "authors", "rate"), [(15, 106, "14.15"), (3, 5, "60.0"), (2, 2, "100.0"), (2, 3, "66.67")]
)
def test_how_rates_are_written(lab, labelled, authors, rate):
    names = [f"Lily {number}" if number < labelled else f"guest {number}" for number in range(authors)]
    lab.load(*(post(name, name, "00:00:00") for name in names))
    assert lab.run().state["rate_of_label"] == rate


@SQLITE
class TestConflicts:
    """An author whose posts belong to two panels."""

    def test_each_window_has_one_vote(self, lab):
        posts = [(f"f{number}", f"00:00:{number:02}", "ballet") for number in range(10)]
        found = label_topics(lab, *posts, ("m1", "06:00:00", "engine"), ("m2", "12:00:00", "an engine"))
        assert ids(found.temp["fbpm"]) == ["f9", "m1", "m2"]
        assert ids(found.production["fbpm"]) == ["m2"]
        assert (found.state["length_receive_table"], found.state["length_output_table"]) == (12, 3)

    def test_the_panel_with_more_votes_wins_though_the_other_one_is_later(self, lab):
        posts = [("f1", "01:00:00", "ballet"), ("f2", "07:00:00", "ballet"), ("f3", "13:00:00", "ballet")]
        found = label_topics(lab, *posts, ("m", "23:00:00", "engine"))
        assert found.production["fbpm"] == [("f3", "WH_F0072_Kim", "/female", datetime(2020, 1, 1, 13), FBPM, "ballet")]
        assert found.state["rate_of_label"] == "100.0"

    def test_within_a_window_rows_are_votes(self, lab):
        posts = [("f1", "01:00:00", "ballet"), ("f2", "01:00:01", "ballet"), ("m", "05:00:00", "engine")]
        assert ids(label_topics(lab, *posts).temp["fbpm"]) == ["f2"]

    def test_a_tie_in_a_window_drops_the_author(self, lab):
        found = label_topics(lab, ("f", "01:00:00", "ballet"), ("m", "02:00:00", "engine"))
        assert (found.temp, found.production) == ({}, {})
        assert found.report["prod_stat"] == "no_data"

    def test_a_tie_of_windows_leaves_the_table_with_no_row(self, lab):
        found = label_topics(lab, ("f", "01:00:00", "ballet"), ("m", "07:00:00", "engine"))
        assert ids(found.temp["fbpm"]) == ["f", "m"]
        assert found.production == {}
        expected = {
            "stat": "SUCCESS", "prod_stat": "finish", "result": "fbpm", "length_output_table": 2,
            "length_prod_table": "0", "uniq_source_author": "1", "rate_of_label": "0.0",
        }  # fmt: skip
        assert expected.items() <= found.state.items()

    def test_a_tie_can_be_kept(self, lab):
        found = label_topics(lab, ("f", "01:00:00", "ballet"), ("m", "02:00:00", "engine"), tie_policy="keep")
        assert ids(found.temp["fbpm"]) == ids(found.production["fbpm"]) == ["f", "m"]
        assert (found.state["length_prod_table"], found.state["rate_of_label"]) == ("2", "200.0")

    def test_a_text_of_both_panels_is_of_the_first(self, lab):
        found = label_topics(lab, ("b", "01:00:00", "an engine at the ballet"), ("m", "02:00:00", "none of it"))
        assert [row[2] for row in found.production["fbpm"]] == ["/female"]


def test_a_task_without_labelled_rows(lab):
    lab.load(post("a", "guest", "00:00:00"), post("b", "visitor", "00:00:00", DCARD))
    found = lab.run()
    assert (found.temp, found.production) == ({}, {})
    expected = {
        "stat": "SUCCESS", "prod_stat": "no_data", "result": "", "length_receive_table": 2, "length_output_table": 0,
        "length_prod_table": "0", "uniq_source_author": None, "rate_of_label": None, "check_point": None,
    }  # fmt: skip
    assert expected.items() <= found.state.items()


def test_a_source_without_rows(lab):
    found = lab.run(end_time="2021-01-01 00:00:00")
    assert (found.state["prod_stat"], found.state["length_receive_table"]) == ("no_data", 0)


def test_regular_expressions_on_content(lab):
    lab.rules('panel,pattern\nyoung,"工作.{0,3}([一兩三]|[1-3])年"\nolder,RETIRED$\n', "rule_model", "content")
    lab.load(
        post("a", "Kim", "00:00:00", content="我工作了3年"),
        post("b", "Sam", "00:00:00", content="at last retired"),
        post("c", "Lou", "00:00:00", content="工作四年"),
        post("d", "Lou", "00:00:00", content=None),
        post("e", None, "00:00:00", content="retired"),
    )
    found = lab.run(model_type="rule_model", predict_type="content")
    assert [(row[0], row[2], row[5]) for row in found.production["fbpm"]] == [
        ("a", "/young", "我工作了3年"),
        ("b", "/older", "at last retired"),
    ]
    assert (found.state["predict_type"], found.state["length_receive_table"]) == ("content", 3)


def test_areas_can_be_labelled(lab):
    lab.rules("panel,keyword,match_type\n/north,_01,end\n", predict_type="s_area_id")
    lab.load(
        post("a", "Kim", "00:00:00", s_area_id="WH_F0072_01"),
        post("b", "Sam", "00:00:00", s_area_id="WH_F0072_02"),
        post("c", "Lou", "00:00:00", s_area_id=None),
    )
    found = lab.run(predict_type="s_area_id")
    assert found.production["fbpm"] == [("a", "WH_F0072_Kim", "/north", datetime(2020, 1, 1), FBPM, "WH_F0072_01")]
    assert (found.state["length_receive_table"], found.state["uniq_source_author"]) == (2, "2")


def test_difficult_texts_come_through_as_they_are(lab):
    texts = [
        "👨\u200d👩\u200d👧 family", "O'Neil \"q\" `b` \\ \\' %s %(a)s :own ?", "tab\tbreak\nreturn\r\n", "長" * 600,
        "ضيف", "\u3000full width\u3000", " ", "-- ; DROP TABLE fbpm", "e\u0301 \u00e9 ﬁ İ ß", "\U0010ffff\ufffe",
        "\x01\x7f{0}",
    ]  # fmt: skip
    lab.load(*(post(f"r{number}", f"{text}lily{text}", "00:00:00") for number, text in enumerate(texts)))
    found = lab.run().production["fbpm"]
    assert {row[0]: row[5] for row in found} == {f"r{number}": f"{t}lily{t}" for number, t in enumerate(texts)}
    assert {row[0]: row[1] for row in found} == {
        f"r{number}": f"WH_F0072_{t}lily{t}".strip() for number, t in enumerate(texts)
    }


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, min_size=1, max_size=20))
def test_any_text_comes_through(lab, texts):
    lab.tasks += 1
    lab.rules(TOPICS, predict_type="content")
    posts = [post(f"r{n}", f"{n}{text}", "00:00:00", content=f"{text}ballet{text}") for n, text in enumerate(texts)]
    lab.load(*posts)
    found = lab.run(str(lab.tasks), predict_type="content").production["fbpm"]
    assert found == sorted(
        (row["id"], f"{FBPM}_{row['author']}".strip(), "/female", row["post_time"], FBPM, row["content"])
        for row in posts
    )


def test_a_table_that_is_not_there_is_named(lab):
    steps = lab.pipeline(target_table="no_such_table")
    with pytest.raises(DatabaseRefusedError, match="no_such_table"):
        steps.open_task()
    with pytest.raises(ValueError, match=r"stopped at 2020-01-01 00:00:00: .*no_such_table"):
        steps.close_labeling()
    expected = {"stat": "FAILURE", "prod_stat": None, "result": "", "run_time": None, "length_receive_table": None}
    found = lab.outcome().state
    assert expected.items() <= found.items()
    assert str(found["check_point"])[:19] == "2020-01-01 00:00:00"
    assert "no_such_table" in found["error_message"]


def test_the_source_is_read_in_parts(lab, monkeypatch):
    lab.load(*EXAMPLE)
    sizes, read = [], Source.read

    def counted(*args):
        for posts in read(*args):
            sizes.append(len(posts.ids))
            yield posts

    monkeypatch.setattr(Source, "read", counted)
    monkeypatch.setattr("include.audience.pipeline.PART_ROWS", 3)
    assert lab.run().state["length_receive_table"] == 7
    assert sizes == [3, 3, 1]


def test_what_a_task_reports_of_itself(lab):
    lab.load(*EXAMPLE)
    schema, opened = lab.settings.input_schema, lab.clock.seconds + 2 * 30
    lab.run()
    newest = datetime(2020, 1, 1, 4, 0, 1, tzinfo=UTC).timestamp()  # 12:00:01 in Taipei
    assert lab.metrics == {
        ("data_lag_hours", schema): (opened - newest) / 3600,
        ("posts", schema): 7,
        ("labelled_rows", schema): 4,
        ("label_minutes", schema): 0.5,
        ("coverage", schema, "fbpm"): 0.6,
    }
    assert lab.notes == [f"task {'1'.zfill(32)}: 3 authors in panels"]


def test_a_task_without_labelled_rows_reports_no_coverage(lab):
    lab.load()
    lab.run()
    assert lab.metrics["data_lag_hours", lab.settings.input_schema] is None
    assert {name for name, *_ in lab.metrics} == {"data_lag_hours", "posts", "labelled_rows", "label_minutes"}


def test_ids_that_repeat_in_the_source_do_not_repeat_authors(lab):
    lab.load()
    with lab.connected(lab.source_url) as connection:
        connection.execute(text("CREATE TABLE repeated AS SELECT * FROM ts_page_content"))  # without its key
        rows = [("n1", "Lily", "00:30"), ("p1", "Mark", "01:00"), ("p1", "Mark", "13:00"), ("p1", "Lily Goh", "13:00")]
        for id, author, time in rows:
            columns = "id, s_id, author, title, content, s_area_id, post_time"
            values = f"'{id}', 'WH_F0072', '{author}', '', '', '', '2020-01-01 {time}:00'"
            connection.execute(text(f"INSERT INTO repeated ({columns}) VALUES ({values})"))
    try:
        found = lab.run(target_table="repeated", end_time="2020-01-02 00:00:00", times=2)
    finally:
        with lab.connected(lab.source_url) as connection:
            connection.execute(text("DROP TABLE repeated"))
    assert sorted((row[1], row[3].hour) for row in found.production["fbpm"]) == [
        ("WH_F0072_Lily", 0), ("WH_F0072_Lily Goh", 13), ("WH_F0072_Mark", 13),
    ]  # fmt: skip
    assert (found.state["length_prod_table"], found.state["rate_of_label"]) == ("3", "100.0")


@pytest.mark.parametrize("told", [True, False])
def test_a_failed_production_is_told(lab, monkeypatch, told):
    lab.load(post("a", "Lily", "00:00:00"))
    steps = lab.pipeline()
    for batch in steps.open_task():
        steps.label(batch)
    steps.close_labeling()
    if told:
        with monkeypatch.context() as patch:
            patch.setattr(production, "produce", raising(OSError("the disk is full")))
            with pytest.raises(OSError, match="the disk is full"):
                steps.produce()
    steps.record_failure()
    found = lab.outcome().state
    assert (found["stat"], found["prod_stat"]) == ("SUCCESS", None)
    reason = "OSError: the disk is full" if told else "a task ended without an error message"
    assert found["error_message"].startswith(f"production failed: {reason}")
    steps.produce()
    steps.record_failure()
    assert (lab.outcome().state["prod_stat"], lab.outcome().state["error_message"]) == ("finish", None)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any) -> None:
        raise error

    return fail


def test_rules_that_are_probably_not_meant_are_told(lab, caplog):
    lab.rules("panel,keyword,match_type\nFemale,lily,start\nfemale,ann,start\n")
    lab.load(post("a", "Lily", "00:00:00"))
    assert lab.run().state["error_message"] == "the panels /Female, /female differ in case only"
    assert "differ in case only" in lab.notes[-1]
    assert "differ in case only" in caplog.text
