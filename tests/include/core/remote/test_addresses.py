"""Addresses of remote files."""

import pytest

from include.core.remote import RefusedError, scheme_of


@pytest.mark.parametrize(
    "url", ["ftp://host/a", "host/a", "", "http://", "http:///a", "http://host:many/a", "http://[::1/a", "s3:///a"]
)
def test_an_address_of_another_kind_is_refused(url):
    with pytest.raises(RefusedError, match="an address"):
        scheme_of(url)


@pytest.mark.parametrize("url", ["ftp://user:secret@host/a?secret", "http://user:secret@host:many/a?secret"])
def test_a_refused_address_shows_no_secrets(url):
    with pytest.raises(RefusedError) as error:
        scheme_of(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "scheme"),
    [("http://host:8/a", "http"), ("https://[::1]/a", "https"), ("s3://c@bucket/a", "s3"), ("file:///a", "file")],
)
def test_an_address_says_how_it_is_reached(url, scheme):
    assert scheme_of(url) == scheme
