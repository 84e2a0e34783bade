"""Decompression in pieces: whole whatever the sizes, and never over its bound."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable

import pytest

from pipeline.receiver.inflate import PIECE_BYTES, CorruptError, Inflater, TooLargeError

Encoder = Callable[[bytes], bytes]

ENCODERS: dict[str, Encoder] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "raw": lambda content: zlib.compress(content, wbits=-15),
    "members": lambda content: b"".join(
        gzip.compress(content[at : at + 99_999]) for at in range(0, len(content), 99_999)
    ),
}


def inflated(encoding: str, body: bytes, chunk_bytes: int, max_bytes: int = 10**9) -> bytes:
    inflater = Inflater(encoding, max_bytes)
    chunks = (body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes))
    content = b"".join(piece for chunk in chunks for piece in inflater.feed(chunk))
    inflater.finish()
    return content


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())
@pytest.mark.parametrize("size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 5_000_000])
@pytest.mark.parametrize("compressible", [True, False])
def test_content_of_every_size_comes_out_whole(encode: Encoder, size: int, compressible: bool) -> None:
    content = bytes(size) if compressible else random.Random(size).randbytes(size)
    body = encode(content)
    encoding = "gzip" if body[:2] == b"\x1f\x8b" else "deflate"
    for chunk_bytes in (1000, 65_536, len(body)):
        assert inflated(encoding, body, chunk_bytes) == content


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())
def test_content_over_the_bound_is_stopped_and_at_the_bound_is_not(encode: Encoder) -> None:
    body = encode(bytes(1_000_000))
    encoding = "gzip" if body[:2] == b"\x1f\x8b" else "deflate"
    assert len(inflated(encoding, body, 500, max_bytes=1_000_000)) == 1_000_000
    with pytest.raises(TooLargeError):
        inflated(encoding, body, 500, max_bytes=999_999)


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())
def test_content_that_is_cut_off_is_corrupt(encode: Encoder) -> None:
    body = encode(random.Random(1).randbytes(50_000))
    encoding = "gzip" if body[:2] == b"\x1f\x8b" else "deflate"
    with pytest.raises(CorruptError):
        inflated(encoding, body[:-1], 4096)


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())
def test_a_bomb_costs_one_piece_of_memory_at_a_time_and_nothing_over_the_bound(encode: Encoder) -> None:
    body = encode(bytes(20_000_000))
    pieces: list[int] = []
    with pytest.raises(TooLargeError):
        pieces.extend(len(piece) for piece in Inflater("gzip" if body[0] == 0x1F else "deflate", 5_000_000).feed(body))
    assert max(pieces) <= PIECE_BYTES
    assert 5_000_000 - PIECE_BYTES < sum(pieces) <= 5_000_000
