"""The platform's storage: one root URL, local or S3, credentials in one connection."""

from urllib.parse import urlsplit

from airflow.sdk import BaseHook, ObjectStoragePath

from include.core.settings import PlatformSettings
from include.core.storage import Store, needs_credentials


class StorageHook(BaseHook):
    """
    Paths below the platform's storage root, or at any URL, local or S3 alike.

    :param storage_conn_id: Amazon connection with the credentials; a local root needs none.
    """

    conn_name_attr = "storage_conn_id"
    default_conn_name = "quartet_storage"

    def __init__(self, storage_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.storage_conn_id = storage_conn_id

    @property
    def root(self) -> str:
        """Root URL without a trailing slash: `file:///…` or `s3://bucket/prefix`."""
        return PlatformSettings.load().storage_url

    @property
    def has_credentials(self) -> bool:
        """Whether the root takes the credentials of the connection; a local one does not."""
        return needs_credentials(self.root)

    def url(self, *parts: str) -> str:
        """
        Join *parts* below the root, as a URL for libraries that bring their own storage (Delta, MLflow).

        :raises ValueError: a part is empty, absolute or climbs out (`..`).
        """
        names = [name for part in parts for name in part.split("/")]
        if bad := [name for name in names if name in ("", ".", "..") or "\\" in name or "\0" in name]:
            raise ValueError(f"a path below the storage root was expected, found {bad[0]!r} in {'/'.join(parts)!r}")
        return "/".join([self.root, *names])

    def path(self, *parts: str) -> ObjectStoragePath:
        """Join *parts* below the root; raises `ValueError` like `url`."""
        return self.path_at(self.url(*parts))

    def path_at(self, url: str) -> ObjectStoragePath:
        """Return the path at `file:///…` or `s3://…`; a URL may name another connection: `s3://connection@bucket/…`."""
        named = "@" in urlsplit(url).netloc
        return ObjectStoragePath(url, conn_id=self.storage_conn_id if needs_credentials(url) and not named else None)

    def store(self, *parts: str) -> Store:
        """Join *parts* below the root, as path, URL and credentials together."""
        return Store(self.path(*parts), self.url(*parts), self.options())

    def options(self) -> dict[str, str]:
        """Return the credentials of `url`s as `deltalake` storage options; empty for a local root."""
        if not self.has_credentials:
            return {}
        options = {"aws_conditional_put": "etag"}
        for variable, value in self.environment().items():
            options[variable.replace("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL")] = value
        if options.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
        return options

    def environment(self) -> dict[str, str]:
        """Return the credentials of `url`s as the environment variables that MLflow reads; empty for a local root."""
        if not self.has_credentials:
            return {}
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        hook = S3Hook(aws_conn_id=self.storage_conn_id)
        session = hook.get_session()
        variables = {
            "AWS_REGION": session.region_name,
            "MLFLOW_S3_ENDPOINT_URL": hook.conn_config.get_service_endpoint_url(service_name="s3"),
        }
        if credentials := session.get_credentials():
            frozen = credentials.get_frozen_credentials()
            variables |= {
                "AWS_ACCESS_KEY_ID": frozen.access_key,
                "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
                "AWS_SESSION_TOKEN": frozen.token,
            }
        return {name: value for name, value in variables.items() if value}
