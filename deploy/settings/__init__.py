"""All settings of the platform, in the order of `.env.example`."""

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
"""Title of a section → settings classes."""


def variables() -> set[str]:
    """Return the names of all environment variables that hold a setting."""
    classes = [settings for section in SECTIONS.values() for settings in section]
    return {settings.variable(field) for settings in classes for field in settings.model_fields}


def check() -> None:
    """
    Read and check all settings once, so that a wrong one is reported at startup.

    Raises:
        SettingsError: one line for each value that is not allowed.
    """
    loaded, errors = [], []
    for settings in [each for section in SECTIONS.values() for each in section]:
        try:
            loaded.append(settings.load())
        except SettingsError as error:
            errors.append(str(error))
    if errors:
        raise SettingsError("\n".join(errors))
    for settings in loaded:
        settings.check()
    _check_notify_urls(PlatformSettings.load().notify_urls)


def _check_notify_urls(urls: list[str]) -> None:
    if not urls:
        return  # saves the half second that importing Apprise takes
    from apprise import Apprise

    logging.getLogger("apprise").disabled = True  # it would show the URL, with its password
    for number, url in enumerate(urls, start=1):
        if Apprise.instantiate(url) is None:
            reason = "Apprise does not know its service, or a part of the URL is missing"
            raise SettingsError(f"QUARTET_NOTIFY_URL: URL number {number}: {reason}")
