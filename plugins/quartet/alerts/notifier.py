"""Notifications through Apprise, to the services in QUARTET_NOTIFY_URL."""

import logging
from urllib.parse import quote

from airflow.sdk.configuration import conf
from airflow.sdk.log import mask_secret

from include.core.settings import PlatformSettings

log = logging.getLogger(__name__)


def notify(title: str, text: str) -> bool:
    """
    Notify people; a notification that cannot be sent is logged, never raised.

    :param title: what happened, in one line.
    :param text: details and the address of the run.
    :return: whether anybody is configured to be notified.
    """
    urls = PlatformSettings.load().notify_urls
    for url in urls:
        mask_secret(url)
    if urls:
        try:
            _send(urls, title, text)
        except Exception as error:  # its text may hold an address with a password
            log.error("The notification %r was not sent: %s", title, type(error).__name__)
    return bool(urls)


def _send(urls: list[str], title: str, text: str) -> None:
    from airflow.providers.apprise.notifications.apprise import AppriseNotifier
    from apprise import AppriseConfig, NotifyType

    logging.getLogger("apprise").setLevel(logging.INFO)  # on lower levels it logs the addresses
    config = AppriseConfig()
    config.add_config("\n".join(urls), format="text")
    notifier = AppriseNotifier(title=title, body=text, notify_type=NotifyType.FAILURE, config=config)
    notifier.notify({})  # not rendered: code in an error's text would be executed


def run_url(dag_id: str, run_id: str) -> str:
    """Return the address of a run in the web UI."""
    base_url = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return f"{base_url.rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
