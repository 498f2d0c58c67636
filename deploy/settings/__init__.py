"""All settings of the platform, in the order in which `.env.example` lists them."""

import logging

from deploy.settings.admin import AdminSettings
from deploy.settings.compose import ComposeSettings
from include.core.errors import SettingsError
from include.core.retention import PlatformRetention
from include.core.settings import PlatformSettings, Settings
from include.workflows import WORKFLOWS

HOUSEKEEPING = "Housekeeping"
SECTIONS: dict[str, list[type[Settings]]] = {
    "Platform": [PlatformSettings],
    HOUSEKEEPING: [*(workflow.retention.settings for workflow in WORKFLOWS), PlatformRetention],
    **{workflow.title: [workflow.settings] for workflow in WORKFLOWS},
    "Administrator": [AdminSettings],
    "Docker Compose": [ComposeSettings],
}
"""Title → classes of settings."""


def variables() -> set[str]:
    """Return the names of all environment variables that the settings are read from."""
    classes = [settings for section in SECTIONS.values() for settings in section]
    return {settings.variable(field) for settings in classes for field in settings.model_fields}


def check() -> None:
    """
    Read all settings once, so that a wrong one is an error at the start.

    Raises:
        SettingsError: one line for each value that is not allowed.
    """
    loaded, problems = [], []
    for settings in [each for section in SECTIONS.values() for each in section]:
        try:
            loaded.append(settings.load())
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    for settings in loaded:
        settings.check()
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
