"""From events to interactions."""

from itertools import pairwise

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from include.articles.interactions.dwell import build_interactions, time_activities
from include.articles.interactions.filters import filter_activities

START = pd.Timestamp("2026-03-09T23:50:00Z")
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("uvw"),
        st.sampled_from(["1", "2", "10"]),
        st.sampled_from(["", "/alias"]),
        st.integers(0, 1_800_000) | st.sampled_from([0, 600_000, 1_200_000]),
    ),
    max_size=30,
)


def events(rows):
    """Build events of (reader, article, alias, ms)."""
    found = pd.DataFrame(list(rows), columns=["client_id", "external_id", "alias", "ms"])
    times = START + pd.to_timedelta(found["ms"].astype("int64"), unit="ms")
    text = found.drop(columns="ms").astype("str")
    return text.assign(
        landing_page_path=text["alias"] + "/article/" + text["external_id"],
        activity_time=times,
        session_date=times.dt.tz_localize(None).dt.floor("D"),
    )


@settings(max_examples=50)
@given(EVENTS)
def test_dwell_is_what_a_loop_over_the_events_gives(rows):
    expected: dict = {}
    for reader, article, alias in sorted({row[:3] for row in rows}):
        times = sorted({ms for *path, ms in rows if path == [reader, article, alias]})
        for ms, following in pairwise(times):
            if following - ms <= 600_000:
                key = reader, article, (START + pd.Timedelta(ms, "ms")).tz_localize(None).floor("D")
                milliseconds, last = expected.get(key, (0, 0))
                expected[key] = milliseconds + following - ms, max(last, ms)
    found = build_interactions(filter_activities(time_activities(events(rows)), min_reader_seconds=0))
    keys = list(zip(found["client_id"], found["external_id"], found["session_date"], strict=True))
    assert keys == sorted(expected)
    assert [round(seconds * 1000) for seconds in found["dwell_seconds"]] == [expected[key][0] for key in keys]
    assert found["last_activity_time"].tolist() == [START + pd.Timedelta(expected[key][1], "ms") for key in keys]
