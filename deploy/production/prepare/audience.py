"""Preparation of the audience workflow."""

import os
from typing import TYPE_CHECKING

from deploy.production import databases
from deploy.production.reach import PATIENCE_SECONDS, reach, required
from include.core.database.errors import retry

if TYPE_CHECKING:
    from include.audience.settings import AudienceSettings

CRAWLER = "crawler"
"""The account that fills the source of audience labeling on our own server."""


def audience_databases() -> None:
    """
    Check that the source and result databases of audience labeling answer; tasks create their tables.

    On our own server, MARIADB_HOST, schemas and accounts are created first.
    """
    from include.audience.settings import AudienceSettings

    audience = AudienceSettings.load()
    if audience.output_host == os.environ.get("MARIADB_HOST"):
        retry(seconds=PATIENCE_SECONDS)(_audience_accounts, audience)
    reach(audience.source_url(audience.input_schema))
    reach(audience.result_url(audience.output_schema))


def _audience_accounts(audience: "AudienceSettings") -> None:
    """Create the platform's user, who reads the source and owns the results, and the crawler, who owns the source."""
    root = audience.result_url("").set(username="root", password=required("MARIADB_ROOT_PASSWORD"), database=None)
    user, password = audience.output_user, audience.output_password.get_secret_value()
    databases.mariadb(root, user, password, [audience.input_schema], "SELECT")
    databases.mariadb(root, user, password, sorted(audience.output_schemas), databases.ALL)
    databases.mariadb(root, CRAWLER, required("AUDIENCE_SOURCE_PASSWORD"), [audience.input_schema], databases.ALL)


STEPS = {"audience databases": audience_databases}
