"""States as fewer bytes, for keys that are not in use."""

from __future__ import annotations

import zlib
from typing import Final

import cramjam

DEFLATED: Final = b"z"
"""As older versions wrote states; read, and not written any more."""
LZ4: Final = b"4"
ZSTD: Final = b"s"
PACKED: Final = (DEFLATED, LZ4, ZSTD)
"""Stand before bytes that are compressed; others begin with the bracket of a JSON array."""
SMALL: Final = 4_096
"""States of fewer bytes are packed by LZ4: of zstd the first byte costs 10 us and more."""


def packed(data: bytes) -> bytes:
    """Some 8 kB take 25 us and a quarter of the bytes; by deflate 41 us and somewhat more of them."""
    if len(data) < SMALL:
        return LZ4 + bytes(cramjam.lz4.compress_block(data))
    return ZSTD + bytes(cramjam.zstd.compress(data, 1))


def unpacked(data: bytes) -> bytes:
    """The inverse of `packed`; bytes that are not packed stay as they are."""
    if data.startswith(ZSTD):
        return bytes(cramjam.zstd.decompress(data[1:]))
    if data.startswith(LZ4):
        return bytes(cramjam.lz4.decompress_block(data[1:]))
    return zlib.decompress(data[1:]) if data.startswith(DEFLATED) else data
