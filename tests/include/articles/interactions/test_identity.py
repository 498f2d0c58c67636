import pandas as pd

from include.articles.interactions.identity import add_external_ids, join_articles
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import load_sites


def events(*paths):
    return pd.DataFrame({"landing_page_path": list(paths), "client_id": [f"u{n}" for n in range(len(paths))]})


def test_aliases_of_an_article_have_one_id_and_other_pages_go(home):
    adapter = adapter_of(load_sites(ArticleSettings())["washington-city-paper"])
    alias = "/v/s/washingtoncitypaper.com/article/7/x"
    for rows in (events("/article/007/x/", "/news/", alias, None, "/article/1/y"),):
        for given in (rows, rows.astype({"landing_page_path": "category"})):
            found = add_external_ids(given, adapter)
            assert found["external_id"].tolist() == ["7", "7", "1"]
            assert found["client_id"].tolist() == ["u0", "u2", "u4"]
            assert list(found["external_id"].cat.categories) == ["1", "7"]
    assert add_external_ids(events(), adapter).empty


def test_events_of_unknown_articles_go():
    rows = pd.DataFrame({"external_id": ["7", "9", "1", "7"], "client_id": list("abcd")})
    published = pd.to_datetime(["2026-03-01", "2026-03-02"], utc=True)
    articles = pd.DataFrame({"external_id": ["1", "7"], "article_id": [2**40, 2], "published_at": published})
    for given in (rows, rows.astype({"external_id": "category"})):
        found = join_articles(given, articles)
        assert found["client_id"].tolist() == ["a", "c", "d"]
        assert found["article_id"].tolist() == [2, 2**40, 2]
        assert found["published_at"].dt.day.tolist() == [2, 1, 2]
    assert join_articles(rows, articles[:0]).empty
