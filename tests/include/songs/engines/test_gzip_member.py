"""Blocks of one gzip member, and the checksum of texts that are joined."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from include.songs.engines import gzip_member
from include.songs.engines.gzip_member import Checksum, compress
from tests.support.songs.jobs import only_member


@given(st.lists(st.binary(max_size=300)))
def test_blocks_are_joined_to_one_member(texts):
    packed, checksum = gzip_member.HEADER, Checksum()
    for text in texts:
        block, added = compress(text)
        packed += block + gzip_member.EMPTY_BLOCK
        checksum += added
    assert only_member(packed + checksum.end()) == b"".join(texts)


def test_a_checksum_of_joined_texts_is_that_of_the_whole():
    texts = [b"", b"a", bytes(70_000), b"b" * 12_345, b""]
    found = sum((Checksum(zlib.crc32(text), len(text)) for text in texts), Checksum())
    assert found == Checksum(zlib.crc32(b"".join(texts)), sum(map(len, texts)))


def test_a_content_of_more_than_four_gigabytes_has_its_length_modulo_2_to_the_32():
    assert Checksum(1, 2**32 + 5).end()[-4:] == b"\x05\0\0\0"
