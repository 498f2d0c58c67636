"""All settings of the platform, in the order in which `.env.example` lists them."""

from include.articles.settings import ArticleSettings
from include.audience.settings import AudienceSettings
from include.core.errors import BadDataError, SettingsError
from include.core.settings import PlatformSettings, Settings
from include.ratings.settings import RatingsSettings
from include.songs.settings import SongSettings

CLASSES: dict[str, type[Settings]] = {
    "Platform": PlatformSettings,
    "Movie ratings": RatingsSettings,
    "Article recommendations": ArticleSettings,
    "Audience labeling": AudienceSettings,
    "Song plays": SongSettings,
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
