"""What web servers and S3 say about an object, without what must not be shown."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from include.core.storage import StoredObject


def stored_object(name: str, headers: Mapping[str, str]) -> StoredObject:
    """Read size (-1 when the server does not tell it), time and ETag from the headers of an answer."""
    size = headers.get("Content-Length", "")
    try:
        changed = parsedate_to_datetime(headers.get("Last-Modified", "")).timestamp()
    except ValueError:
        changed = 0.0
    return StoredObject(name, int(size) if size.isdecimal() else -1, changed, headers.get("ETag", ""))


def shown(url: str) -> str:
    """Give *url* without what may be secret: user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=parts.query and "…", fragment="").geturl()


def s3_answer(error: BaseException) -> tuple[int | None, str]:
    """Give status and code of the S3 answer that an error was made of; `None` and empty if it was made of none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(reply := getattr(seen, "response", None), dict):
            return reply.get("ResponseMetadata", {}).get("HTTPStatusCode"), reply.get("Error", {}).get("Code", "")
        seen = seen.__cause__ or seen.__context__
    return None, ""
