"""
One gzip member made of blocks that are compressed apart from each other, in any process.

Readers such as Java's `GZIPInputStream`, browsers, and Python's `zlib` may stop after the first member of a file, so an
output must not have a second one. A block is raw deflate that ends at a byte boundary, so blocks can be joined.
"""

import struct
import zlib
from dataclasses import dataclass

LEVEL = 4
"""Takes half the time of level 6, the usual one, for 7 % more bytes."""
RAW = -15
"""`wbits` of deflate without header and checksum."""
HEADER = bytes.fromhex("1f8b08000000000000ff")
"""Of a member without a name and a time."""
LAST_BLOCK = b"\x03\x00"
"""An empty block that is marked as the last one."""
EMPTY_BLOCK = b"\0\0\0\xff\xff"
"""An empty block that is not the last one; it may stand between any two."""

_PACKED = "<IQ"
PACKED_BYTES = struct.calcsize(_PACKED)
"""Length of a packed checksum."""

_POLYNOMIAL = 0xEDB88320
"""Of CRC-32; the highest bit of a number is the coefficient of 1."""


@dataclass(frozen=True)
class Checksum:
    """CRC-32 and length of a text."""

    crc: int = 0
    size: int = 0

    def __add__(self, other: "Checksum") -> "Checksum":
        """Return the checksum of this text and another one after it."""
        shifted = _multiply(_power(8 * other.size), self.crc)
        return Checksum(shifted ^ other.crc, self.size + other.size)

    def packed(self) -> bytes:
        """Return `PACKED_BYTES` bytes that `unpack` reads."""
        return struct.pack(_PACKED, self.crc, self.size)

    @classmethod
    def unpack(cls, data: bytes) -> "Checksum":
        """Return the checksum of which *data* is `packed`."""
        return cls(*struct.unpack(_PACKED, data))

    def end(self) -> bytes:
        """Return the end of a member with this content."""
        return LAST_BLOCK + struct.pack("<II", self.crc, self.size % 2**32)


def compress(text: bytes | memoryview) -> tuple[bytes, Checksum]:
    """Return a block, and the checksum of its content."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW)
    block = deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return block, Checksum(zlib.crc32(text), memoryview(text).nbytes)


def _multiply(a: int, b: int) -> int:
    """Multiply two polynomials modulo that of CRC-32."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _power(exponent: int) -> int:
    """Return x to the power of *exponent* modulo the polynomial of CRC-32."""
    power, factor = 1 << 31, 1 << 30
    while exponent:
        if exponent & 1:
            power = _multiply(power, factor)
        factor = _multiply(factor, factor)
        exponent >>= 1
    return power
