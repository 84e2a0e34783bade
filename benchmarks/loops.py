"""Sessions that loop, to be sent to a running server."""

from __future__ import annotations

import gzip
import http.client
from dataclasses import dataclass

from benchmarks.spans import PlainSpan, request

CALL_NS = 1_000_000_000


@dataclass(slots=True)
class Sender:
    """One kept-alive OTLP/HTTP connection; made for HOST:PORT."""

    connection: http.client.HTTPConnection

    @classmethod
    def to(cls, address: str, timeout_s: float = 30.0) -> Sender:
        """A sender to HOST:PORT."""
        return cls(http.client.HTTPConnection(address, timeout=timeout_s))

    def post(self, body: bytes) -> None:
        """Send one serialized trace request, gzipped; return when it is acknowledged, raise OSError when it is not."""
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        try:
            self.connection.request("POST", "/v1/traces", gzip.compress(body, compresslevel=1), headers)
            answer = self.connection.getresponse()
            answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"the server did not answer: {error!r}") from error
        if answer.status != http.client.OK:
            raise OSError(f"the server answered {answer.status}")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def same_call(session: str, number: int, start_unix_nano: int, call_ns: int = CALL_NS) -> PlainSpan:
    """Call `number` of a session that always does the same and always fails the same way."""
    attributes: dict[str, str | int] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "run_tests",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": f"call-{session}-{number}",
        "gen_ai.tool.call.arguments": '{"target":"tests/missing"}',
        "gen_ai.tool.call.result": "no such target",
        "gen_ai.conversation.id": session,
        "gen_ai.agent.name": "coder",
    }
    start_ns = start_unix_nano + number * call_ns
    trace_id = f"{session:0>32}"[-32:]
    return PlainSpan(
        trace_id, f"{number + 1:016x}", "execute_tool run_tests", 1, start_ns, start_ns + call_ns // 2, attributes
    )


def body_of(*spans: PlainSpan) -> bytes:
    """One serialized request."""
    body: bytes = request(list(spans)).SerializeToString()
    return body
