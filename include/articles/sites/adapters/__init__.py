"""Adapters for the kinds of sites, one module per kind."""

from include.articles.sites.adapters.base import SiteAdapter
from include.articles.sites.adapters.washington_city_paper import WashingtonCityPaper
from include.articles.sites.adapters.wordpress import WordPress
from include.articles.sites.configuration import Site, find_site, shipped_sites


def adapter_of(site: Site) -> SiteAdapter:
    """Build the adapter of a site; callers make it once and pass it on."""
    return WordPress(site) if site.kind == "wordpress" else WashingtonCityPaper(site)


def extract_external_id(site: Site | str, path: object) -> str | None:
    """
    Return the external id of the article at a path.

    Args:
        site: a site, or the name of one that is shipped.
        path: the path of an event; anything but text, such as a missing value, belongs to no article.

    Returns:
        The external id; `None` if the path is not an article's.

    Raises:
        SitesError: no site of this name is shipped.
    """
    if not isinstance(path, str):
        return None
    found = find_site(shipped_sites(), site) if isinstance(site, str) else site
    return adapter_of(found).external_id(path)
