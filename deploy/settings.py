"""All settings of the platform, in the order in which `.env.example` lists them."""

from include.core.errors import SettingsError
from include.core.settings import PlatformSettings, Settings
from include.ratings.settings import RatingsSettings

CLASSES: dict[str, type[Settings]] = {"Platform": PlatformSettings, "Movie ratings": RatingsSettings}


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
