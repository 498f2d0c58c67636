"""MovieLens 100K from its publisher."""

from airflow.sdk import BaseHook

from include.ratings import base

ADDRESS = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
TIMEOUT_SECONDS = 30.0


class MovieLensHook(BaseHook):
    """Fetch MovieLens 100K from GroupLens; the files come with terms of use (research, no redistribution)."""

    def __init__(self, address: str = ADDRESS) -> None:
        super().__init__()
        self.address = address

    def fetch(self) -> tuple[bytes, str]:
        """
        Download the archive.

        :return: content of `u.data`, its checksum seen to be right, and the address.
        :raises ConnectionError: it cannot be had.
        :raises BadDataError: it is not what GroupLens published.
        """
        import httpx

        try:
            response = httpx.get(self.address, timeout=TIMEOUT_SECONDS, follow_redirects=True).raise_for_status()
        except httpx.HTTPError as error:
            raise ConnectionError(
                f"MovieLens 100K cannot be had from {self.address} ({type(error).__name__}: {error}); "
                "set MOVIELENS_100K to a folder or zip file that holds it"
            ) from error
        self.log.info("MovieLens 100K fetched from %s, %d bytes", self.address, len(response.content))
        return base.checked(base.unzipped(response.content, self.address), self.address), self.address
