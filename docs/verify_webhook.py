"""Verify what Telltale posts to a webhook: `python verify_webhook.py SECRET SIGNATURE < BODY`; exit 0 = genuine."""

import hmac
import sys
import time

MAX_AGE_S = 300


def genuine(secret: str, signature: str, body: bytes, now_unix_s: float) -> bool:
    """Whether a request is ours and new.

    Args:
        secret: The webhook's secret.
        signature: The header `Telltale-Signature`: `t=UNIX_SECONDS,v1=HEX`.
        body: The body as it came, byte for byte.
        now_unix_s: The time; requests that are older or newer by five minutes are refused.
    """
    fields = dict(part.partition("=")[::2] for part in signature.split(","))
    at = fields.get("t", "")
    if not (at.isascii() and at.isdigit()) or abs(now_unix_s - int(at)) > MAX_AGE_S:
        return False
    expected = hmac.new(secret.encode(), at.encode() + b"." + body, "sha256").hexdigest()
    return hmac.compare_digest(expected, fields.get("v1", "").encode("ascii", "replace").decode())


if __name__ == "__main__":
    sys.exit(not genuine(sys.argv[1], sys.argv[2], sys.stdin.buffer.read(), time.time()))
