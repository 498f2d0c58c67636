"""Kinds of newsrooms; a module each."""

from typing import TYPE_CHECKING

from include.articles.newsrooms.base import Newsroom

if TYPE_CHECKING:
    from include.articles.sites import Site


def newsroom_of(site: "Site") -> Newsroom:
    """Give the ways of a site's kind."""
    from include.articles.newsrooms.washington_city_paper import WashingtonCityPaper
    from include.articles.newsrooms.wordpress import WordPress

    return WordPress(site) if site.kind == "wordpress" else WashingtonCityPaper(site)
