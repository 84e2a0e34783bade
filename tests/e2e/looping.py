"""Sessions of an agent that loop, as many as are wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.e2e.running import capture_lines

CAPTURE = "claude-details-httpproto-B"
SESSION = re.compile(rb'"session.id","value":\{"stringValue":"([0-9a-f-]{36})"')


def looping_session(number: int) -> Sequence[bytes]:
    """Requests of a session that repeats one failing call eight times; each number is a session of its own."""
    lines = capture_lines(CAPTURE)
    known = {match for line in lines for match in SESSION.findall(line)}
    own = b"00000000-0000-4000-8000-%012d" % number
    made = []
    for line in lines:
        for session in known:
            line = line.replace(session, own)  # noqa: PLW2901 - one after the other
        made.append(re.sub(rb"toolu_\w{4}", b"toolu_%04d" % number, line))
    return made
