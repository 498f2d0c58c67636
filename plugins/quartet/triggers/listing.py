"""The one lister behind every wait for arrival: what is there now, and what tells a changed object."""

import time
from dataclasses import dataclass

from airflow.sdk import ObjectStoragePath

from include.core.objects import StoredObject, is_settled, list_objects
from quartet.hooks.storage import StorageHook


@dataclass(frozen=True)
class Lister:
    """
    Look at the objects directly below a prefix of the platform's storage.

    :param prefix: folder below the storage root, such as `ratings/training`.
    :param settle_seconds: see `include.core.objects.is_settled`.
    """

    prefix: str
    settle_seconds: float = 2.0

    def __str__(self) -> str:
        return self.prefix

    @property
    def path(self) -> ObjectStoragePath:
        return StorageHook().path(self.prefix)

    def look(self) -> dict[str, StoredObject]:
        """List what is there now; blocks."""
        return list_objects(self.path)

    def is_settled(self, stored: StoredObject) -> bool:
        """Tell whether *stored* of the last listing is complete; blocks."""
        return is_settled(self.path / stored.name, stored, time.time(), self.settle_seconds)
