"""Decompression that stops at its bound while it inflates, whatever the sender says about sizes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

GZIP_WINDOW_BITS: Final = 31
ZLIB_WINDOW_BITS: Final = 15
RAW_WINDOW_BITS: Final = -15
PIECE_BYTES: Final = 262_144

ENCODINGS: Final = ("identity", "gzip", "deflate")


class TooLargeError(Exception):
    """The content is over the bound."""


class CorruptError(Exception):
    """The compressed bytes are not what the encoding promises; the text says why."""


class Inflater:
    """Decodes one body, chunk by chunk. Memory: one piece of at most 256 KiB."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self._encoding = encoding
        self._left = max_bytes
        self._stream = zlib.decompressobj(GZIP_WINDOW_BITS if encoding == "gzip" else ZLIB_WINDOW_BITS)
        self._started = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The content that `chunk` adds, in pieces.

        Raises:
            TooLargeError: The content so far is over the bound.
            CorruptError: The chunk is not of this encoding.
        """
        if self._encoding == "identity":
            yield self._counted(chunk)
            return
        full = False
        while chunk or full:
            if self._stream.eof:  # the next member of a concatenated gzip file
                self._stream = zlib.decompressobj(GZIP_WINDOW_BITS)
            piece = self._inflate(chunk)
            yield self._counted(piece)
            if self._stream.eof and self._encoding == "deflate":
                return
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            # A full piece may leave output inside zlib although it took all input.
            full = len(piece) == PIECE_BYTES and not self._stream.eof

    def finish(self) -> None:
        """Check that the content came to its end.

        Raises:
            CorruptError: It did not.
        """
        if self._encoding != "identity" and not self._stream.eof:
            raise CorruptError(f"the {self._encoding} content ends too early" if self._started else "the body is empty")

    def _inflate(self, chunk: bytes) -> bytes:
        try:
            try:
                return self._stream.decompress(chunk, PIECE_BYTES)
            except zlib.error:
                if self._started or self._encoding != "deflate":
                    raise
                # Some senders of `deflate` leave the zlib header out.
                self._stream = zlib.decompressobj(RAW_WINDOW_BITS)
                return self._stream.decompress(chunk, PIECE_BYTES)
        except zlib.error as error:
            raise CorruptError(f"not {self._encoding}: {error}") from error
        finally:
            self._started = True

    def _counted(self, content: bytes) -> bytes:
        if len(content) > self._left:
            raise TooLargeError
        self._left -= len(content)
        return content
