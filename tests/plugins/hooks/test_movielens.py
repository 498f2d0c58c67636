"""MovieLens from its publisher, with a local server in its place."""

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator

import pytest

from include.core.errors import BadDataError
from include.ratings.data import base
from quartet.hooks.movielens import fetch


@pytest.fixture
def publisher() -> Iterator[str]:
    """Serve `good.zip` with a different u.data than the published one, and 404 for everything else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ml-100k/u.data", "1\t2\t3\t4\n")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/good.zip"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(buffer.getvalue() if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_archive_with_other_content_is_refused_and_named(publisher):
    with pytest.raises(BadDataError, match=r"good\.zip/u\.data is not the file that GroupLens published"):
        fetch(f"{publisher}/good.zip")


@pytest.mark.parametrize("address", ["/missing.zip", None])
def test_what_cannot_be_had_says_what_to_do_and_is_tried_again(publisher, address):
    url = f"{publisher}{address}" if address else "http://127.0.0.1:9/closed.zip"
    with pytest.raises(ConnectionError, match="set MOVIELENS_100K"):
        fetch(url)


def test_the_published_archive_is_taken(publisher, monkeypatch):
    content = b"1\t2\t3\t4\n"
    monkeypatch.setitem(base.MD5, "u.data", hashlib.md5(content).hexdigest())
    address = f"{publisher}/good.zip"
    assert fetch(address) == (content, address)
