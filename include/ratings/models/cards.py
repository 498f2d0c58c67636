"""Cards of model versions: what the registry knows of each, where it can be read cheaply.

The registry is the truth. The training task leaves this copy, so that predicting and the API need no registry client.
"""

from dataclasses import asdict
from logging import getLogger

from include.core.errors import BadDataError, DamagedObjectError
from include.core.registry import ModelVersion
from include.core.storage import StoragePath, list_objects, read_as, write_json
from include.ratings import layout

log = getLogger(__name__)

MODEL = "ratings"
"""Name of the registered model."""


def write_card(root: StoragePath, card: ModelVersion) -> None:
    """
    Write the card, which never changes afterwards. Idempotent.

    Raises:
        BadDataError: the version has the card of another model.
    """
    try:
        known = read_card(root, card.version)
    except DamagedObjectError as error:
        log.warning("The card of model %d is written again: %s", card.version, error)
        known = None
    if known is None:
        write_json(layout.card_file(root, card.version), asdict(card))
    elif known.sha256 != card.sha256:
        path = layout.card_file(root, card.version)
        raise BadDataError(
            f"model {card.version} of the registry has the sha256 {card.sha256}, the one of {path} has {known.sha256}; "
            f"the registry is that of another storage"
        )


def read_card(root: StoragePath, version: int) -> ModelVersion | None:
    """Read the card of *version*; `None`: there is no such version."""
    return read_as(layout.card_file(root, version), lambda found: ModelVersion(**found))


def training_version(card: ModelVersion) -> int:
    """Return the version of the training table that a model was trained on."""
    return int(card.tags["training_version"])


def versions(root: StoragePath) -> list[int]:
    """Return all model versions, newest first."""
    names = (name.removesuffix(".json") for name in list_objects(layout.cards(root)))
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)
