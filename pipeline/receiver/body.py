"""Reading the body of an HTTP request within bounds of size, time and memory."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from pipeline.receiver.contract import Limits
from pipeline.receiver.inflate import ENCODINGS, CorruptError, Inflater, TooLargeError
from pipeline.receiver.memory import HeldBytes
from pipeline.receiver.refusal import RefusedError


class BodyReader:
    """Reads bodies; counts the bytes that are in memory, over all connections, until they are released."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = HeldBytes(limits)

    async def read(self, request: Request) -> bytes:
        """The decompressed body. The caller must `release` its length when it is done with it.

        Raises:
            RefusedError: Too large, too slow, not what its encoding says, or no memory for it now.
            ClientDisconnect: The client went away before the end.
        """
        encoding = self._encoding(request)
        self._check_declared_size(request)
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                await self._inflate(request, encoding, body)
        except TooLargeError:
            self.release(len(body))
            raise self._too_large() from None
        except CorruptError as error:
            self.release(len(body))
            raise RefusedError("malformed", f"content-encoding: {error}") from error
        except TimeoutError:
            self.release(len(body))
            raise RefusedError("timeout", f"the body did not end within {self._limits.body_timeout_s:g} s") from None
        except BaseException:
            self.release(len(body))
            raise
        return bytes(body)

    def release(self, size_bytes: int) -> None:
        """Give back what `read` returned."""
        self._held.release(size_bytes)

    async def _inflate(self, request: Request, encoding: str, body: bytearray) -> None:
        inflater = Inflater(encoding, self._limits.max_decompressed_bytes)
        compressed_bytes = 0
        async for chunk in request.stream():
            compressed_bytes += len(chunk)
            if compressed_bytes > self._limits.max_request_bytes:
                raise TooLargeError
            for content in inflater.feed(chunk):
                self._held.take(len(content))
                body += content
        if compressed_bytes:
            inflater.finish()

    def _encoding(self, request: Request) -> str:
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ENCODINGS:
            raise RefusedError(
                "unsupported", f"content-encoding {encoding[:100]!r} is not known here: send {', '.join(ENCODINGS)}"
            )
        return encoding

    def _check_declared_size(self, request: Request) -> None:
        """Refuse early what says itself that it is too large; what says less is measured anyway."""
        declared = request.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self._limits.max_request_bytes:
            raise self._too_large()

    def _too_large(self) -> RefusedError:
        sent, inflated = self._limits.max_request_bytes, self._limits.max_decompressed_bytes
        return RefusedError("too_large", f"a request may have {sent} bytes as sent, {inflated} once decompressed")
