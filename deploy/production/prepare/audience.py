"""What the audience workflow needs before the platform starts."""

import os
from typing import TYPE_CHECKING

from deploy.production import databases
from deploy.production.reach import PATIENCE_SECONDS, reach, required
from include.core.database.errors import retry

if TYPE_CHECKING:
    from include.audience.settings import AudienceSettings

CRAWLER = "crawler"
"""The account that fills the source of audience labeling, on a server of our own."""


def audience_databases() -> None:
    """
    Look whether source and results of audience labeling answer; their tables are made by the tasks.

    On the server MARIADB_HOST, which is ours, schemas and accounts are made.
    """
    from include.audience.settings import AudienceSettings

    audience = AudienceSettings.load()
    if audience.output_host == os.environ.get("MARIADB_HOST"):
        retry(seconds=PATIENCE_SECONDS)(_audience_accounts, audience)
    reach(audience.source_url(audience.input_schema))
    reach(audience.result_url(audience.output_schema))


def _audience_accounts(audience: "AudienceSettings") -> None:
    """Let the platform's user read the source and own the results, and the crawler own the source."""
    root = audience.result_url("").set(username="root", password=required("MARIADB_ROOT_PASSWORD"), database=None)
    user, password = audience.output_user, audience.output_password.get_secret_value()
    databases.mariadb(root, user, password, [audience.input_schema], "SELECT")
    databases.mariadb(root, user, password, sorted(audience.output_schemas), databases.ALL)
    databases.mariadb(root, CRAWLER, required("AUDIENCE_SOURCE_PASSWORD"), [audience.input_schema], databases.ALL)


STEPS = {"the databases of audience labeling": audience_databases}
