"""`GET /models` and `GET /models/{id}/articles`."""

from quartet.api.articles.schemas import Articles, Models
from tests.plugins.api.articles.responses import message, results
from tests.support.serving_rows import SITE


def test_models_are_listed(client, rows, filled):
    stale = rows.model(status="stale", hours=-2)
    answer = client.get("/models")
    assert [each["id"] for each in results(answer)] == sorted([each["id"] for each in results(answer)], reverse=True)
    assert results(answer)[0] == {
        "id": stale,
        "type": "article",
        "status": "stale",
        "site": SITE,
        "created_at": "2026-03-10T10:00:00+00:00",
        "updated_at": "2026-03-10T10:00:00+00:00",
    }
    Models.model_validate(answer.json())

    def ids(query: str) -> list[int]:
        return [each["id"] for each in results(client.get(f"/models?{query}"))]

    assert len(ids("")) == 5
    assert ids(f"site={SITE}&type=article") == [stale, filled["article"]]
    assert ids(f"site={SITE}&status=current") == [filled["popularity"], filled["article"]]
    assert ids(f"site={SITE}&sort_by=created_at&order_by=asc")[0] == stale
    assert ids(f"site={SITE}&sort_by=created_at&size=2&type=article") == [filled["article"], stale]
    for nothing in ("site=nowhere", "site=", "type=nothing", "status=%00"):
        assert ids(nothing) == []


def test_the_articles_of_a_model_are_listed(client, filled):
    answer = client.get(f"/models/{filled['article']}/articles")
    [found] = results(answer)
    assert (found["external_id"], found["site"]) == ("10", SITE)
    Articles.model_validate(answer.json())
    assert results(client.get(f"/models/{filled['popularity']}/articles")) == []


def test_a_model_that_is_not_there_has_no_articles(client, filled):
    for model in ("999", "0", "-1", "x", "1.5", "%00", str(2**63), "9" * 5000, "1%27"):
        assert message(client.get(f"/models/{model}/articles"), 404) == "RESOURCE DOES NOT EXIST"
