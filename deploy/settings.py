"""All settings of the platform, in the order in which `.env.example` lists them."""

import logging

from deploy.production.settings import ComposeSettings
from deploy.production.users import AdminSettings
from include.articles.settings import ArticleSettings
from include.audience.settings import AudienceSettings
from include.core.errors import BadDataError, SettingsError
from include.core.housekeeping import HousekeepingSettings
from include.core.settings import PlatformSettings, Settings
from include.ratings.settings import RatingsSettings
from include.songs.settings import SongSettings

CLASSES: dict[str, type[Settings]] = {
    "Platform": PlatformSettings,
    "Housekeeping": HousekeepingSettings,
    "Movie ratings": RatingsSettings,
    "Article recommendations": ArticleSettings,
    "Audience labeling": AudienceSettings,
    "Song plays": SongSettings,
    "Administrator": AdminSettings,
    "Docker Compose": ComposeSettings,
}


def check() -> None:
    """
    Read all settings once, so that a wrong one is an error at the start.

    Raises:
        SettingsError: one line for each value that is not allowed.
    """
    problems = []
    for settings in CLASSES.values():
        try:
            settings.load()
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    _check_algorithms(RatingsSettings.load())
    _check_notify_urls(PlatformSettings.load().notify_urls)


def _check_notify_urls(urls: list[str]) -> None:
    if not urls:
        return  # without the half second that importing Apprise takes
    from apprise import Apprise

    logging.getLogger("apprise").disabled = True  # it would show the URL, with its password
    for number, url in enumerate(urls, start=1):
        if Apprise.instantiate(url) is None:
            reason = "Apprise does not know its service, or a part is missing"
            raise SettingsError(f"QUARTET_NOTIFY_URL: URL number {number}: {reason}")


def _check_algorithms(ratings: RatingsSettings) -> None:
    from include.ratings import algorithms

    for variable, name, options in [
        ("RATINGS_ALGORITHM", ratings.algorithm, ratings.algorithm_options),
        *(("RATINGS_CUSTOM_ALGORITHMS", name, {}) for name in ratings.custom_algorithms),
    ]:
        if name in algorithms.BUILT_IN and not options:
            continue  # without the half second that importing them takes
        try:
            algorithms.build(name, options, ratings.seed)
        except BadDataError as error:
            raise SettingsError(f"{variable}: {error}") from None
