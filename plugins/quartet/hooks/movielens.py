"""MovieLens 100K from its publisher; the files come with terms of use (research, no redistribution)."""

from logging import getLogger

from include.ratings.data import base

log = getLogger(__name__)

ADDRESS = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
TIMEOUT_SECONDS = 30.0


def fetch(address: str = ADDRESS) -> tuple[bytes, str]:
    """
    Download the archive.

    Returns:
        Content of `u.data`, checksum verified, and the address.

    Raises:
        ConnectionError: the archive cannot be downloaded.
        BadDataError: the archive differs from what GroupLens published.
    """
    import httpx

    try:
        response = httpx.get(address, timeout=TIMEOUT_SECONDS, follow_redirects=True).raise_for_status()
    except httpx.HTTPError as error:
        raise ConnectionError(
            f"MovieLens 100K cannot be downloaded from {address} ({type(error).__name__}: {error}); "
            "set MOVIELENS_100K to a folder or zip file that holds it"
        ) from error
    log.info("MovieLens 100K fetched from %s, %d bytes", address, len(response.content))
    return base.checked(base.unzipped(response.content, address), address), address
