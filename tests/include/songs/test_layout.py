"""Layout of the song plays' folder."""

from datetime import date

import pytest

from include.core.storage import write_whole
from include.songs import layout
from include.songs.layout import DayError, DayFiles, known_days, parse_day
from tests.support.songs.layout import DAY, DAYS, fill


def test_the_layout(tmp_path):
    paths = [
        layout.spins_file(tmp_path, DAY),
        layout.listeners_file(tmp_path),
        layout.marker(tmp_path, DAY),
        layout.dataset_folder(tmp_path, DAY),
        layout.counts_folder(tmp_path, DAY),
    ]
    assert [str(path).removeprefix(f"{tmp_path}/") for path in paths] == [
        "spins/2019/02/08/spins.snappy.parquet",
        "listeners/listeners.snappy.parquet",
        "markers/2019/02/08/listeners_downloaded.SUCCESS",
        "output/2019/02/08/dataset",
        "output/2019/02/08/counts_by_zip_sub",
    ]


def test_years_have_four_digits(tmp_path):
    assert layout.spins_file(tmp_path, date(987, 12, 31)).parent == tmp_path / "spins/0987/12/31"


def test_nothing_else_lies_in_the_folders_of_days(tmp_path):
    others = [
        layout.lease_file(tmp_path, DAY),
        layout.spins_record(tmp_path, DAY),
        layout.listeners_record(tmp_path, "ab"),
        layout.report_file(tmp_path, DAY),
        layout.incoming(tmp_path),
        layout.job_listeners(tmp_path, DAY),
        layout.job_metrics(tmp_path, DAY),
    ]
    assert {path.relative_to(tmp_path).parts[0] for path in others} == {"leases", "versions", ".incoming"}


@pytest.mark.parametrize("text", ["20190208", "2019-2-8", "2019-02-30", "2019-W06-5", "", "2019-02-08T00:00", "today"])
def test_a_day_is_written_in_one_way(text):
    with pytest.raises(DayError, match="a day such as 2019-02-08 was expected, found"):
        parse_day(text)
    assert parse_day("2019-02-08") == DAY


def test_listeners_are_complete_with_file_and_marker(tmp_path):
    assert not layout.has_listeners(tmp_path, DAY)
    write_whole(layout.marker(tmp_path, DAY), b"")
    assert not layout.has_listeners(tmp_path, DAY)
    write_whole(layout.listeners_file(tmp_path), b"x")
    assert layout.has_listeners(tmp_path, DAY)
    assert not layout.has_listeners(tmp_path, date(2019, 2, 9))


def test_outputs_are_complete_with_both_marks(tmp_path):
    dataset, counts = layout.dataset_folder(tmp_path, DAY), layout.counts_folder(tmp_path, DAY)
    for folder in (dataset, counts):
        write_whole(folder / "part-00000.csv.gz", b"x")
    assert not layout.has_outputs(tmp_path, DAY)
    write_whole(dataset / "_SUCCESS", b"")
    assert not layout.has_outputs(tmp_path, DAY)
    write_whole(counts / "_SUCCESS", b"")
    assert layout.has_outputs(tmp_path, DAY)


def test_known_days_say_what_is_there_latest_first(tmp_path):
    assert known_days(tmp_path) == []
    fill(tmp_path)
    assert known_days(tmp_path) == DAYS
    assert [each.complete for each in DAYS] == [False, True, False, False]


def test_known_days_of_a_year_or_a_month(tmp_path):
    fill(tmp_path)
    assert known_days(tmp_path, 2019) == DAYS[:3]
    assert known_days(tmp_path, 2019, 2) == DAYS[1:3]
    assert known_days(tmp_path, 2017) == []


def test_a_day_is_found_with_its_files(tmp_path):
    fill(tmp_path)
    assert [layout.find_day(tmp_path, each.day) for each in DAYS] == DAYS
    assert layout.find_day(tmp_path, date(2018, 12, 30)) == DayFiles(date(2018, 12, 30))


def test_completed_days_have_a_report(tmp_path):
    assert layout.reported_days(tmp_path) == []
    for day in ("2019-02-08", "2019-03-01", "2018-12-31"):
        write_whole(tmp_path / "versions" / "days" / f"{day}.json", b"{}")
    assert layout.reported_days(tmp_path) == [date(2018, 12, 31), DAY, date(2019, 3, 1)]


HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("name", "day"),
    [
        (f"spins-2019-02-08.{HEX}", DAY),
        (f"job-2019-02-08/.listeners-{HEX}.snappy.parquet.{HEX}", DAY),
        ("job-2019-02-08/metrics.json", DAY),
        ("job-2019-02-08/metricsXjson", None),
        ("spins-2019-02-08", None),
        (f"spins-2019-02-30.{HEX}", None),
        ("mine.parquet", None),
    ],
)
def test_files_that_come_in_are_named_after_their_day(name, day):
    assert layout.day_of_incoming(name) == day


def test_leases_and_records_have_names_of_their_own(tmp_path):
    assert layout.day_of_lease(layout.lease_file(tmp_path, DAY).name) == DAY
    assert layout.sha256_of_record(layout.listeners_record(tmp_path, HEX * 2).name) == HEX * 2
    for name in ("notes.json", "2019-02-08", "2019-02-30.json", f"{HEX}.json"):
        assert layout.day_of_lease(name) is None
        assert layout.sha256_of_record(name) is None
