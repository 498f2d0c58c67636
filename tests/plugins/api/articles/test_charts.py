from quartet.api.articles.charts import funnel, funnel_chart, histogram_chart

STEPS = {"fetch_data": {"rows": 200}, "filter_events": {"in_window": 100, "before": {"rows": 50}}, "odd": 1}


def test_the_funnel_has_the_counts_that_the_report_has():
    found = funnel(STEPS)
    assert [(each.name, each.rows, each.share) for each in found] == [
        ("events read", 200, 1.0),
        ("in the window", 100, 0.5),
        ("of article pages", 50, 0.25),
    ]
    assert [each["rows"] for each in funnel_chart(found)["data"]["values"]] == [200, 100, 50]


def test_a_report_without_steps_has_no_funnel():
    assert funnel({}) == []
    assert [each.share for each in funnel({"fetch_data": {"rows": 0}})] == [0.0]


def test_bins_are_named_by_their_bounds():
    found = histogram_chart([(0, 3), (1, 2), (2.5, 1)], "days")
    assert found is not None
    assert [each["bin"] for each in found["data"]["values"]] == ["0-1", "1-2.5", "2.5+"]
    assert histogram_chart(None, "days") is None
