"""The generated pages."""

from deploy.settings import HOUSEKEEPING, SECTIONS
from docs import build
from include.core.settings import ROOT
from include.ratings.settings import RatingsSettings


def test_every_dag_is_on_exactly_one_page():
    pages = [content for path, content in build.pages().items() if path.suffix == ".md"]
    for path in (ROOT / "dags").glob("[!_]*.py"):
        if path.stem != "common":
            assert sum(f"DAG `{path.stem}`" in page for page in pages) == 1, path


def test_every_setting_is_in_the_example_with_its_default():
    lines = build.env_example().splitlines()
    for name in RatingsSettings.model_fields:
        assert f"# {RatingsSettings.variable(name)}={build.default(RatingsSettings, name)}" in lines


def test_the_retention_settings_are_on_the_page_of_the_platform():
    page = build.page("platform", "Platform")
    for settings in SECTIONS[HOUSEKEEPING]:
        for name in settings.model_fields:
            assert f"| `{settings.variable(name)}` |" in page
            assert f"`{name.upper()}`" in page  # in the table of the DAG


def test_the_api_is_listed():
    assert "| `POST /ratings/train` | Submit ratings;" in build.page("ratings", "Movie ratings")


def test_a_stale_page_is_found(monkeypatch, capsys):
    monkeypatch.setattr(build, "pages", lambda: {ROOT / "README.md": "something else"})
    monkeypatch.setattr("sys.argv", ["build", "--check"])
    assert build.main() == 1
    assert "make docs" in capsys.readouterr().err
