"""What secrets look like, declared once. Every pattern is RE2: linear time on any text, no look-around.

A pattern's groups named `secret...` are what is replaced by `[REDACTED:kind]`; without one it is the whole match.
`sign` matches wherever the pattern may match: one search for all signs over a whole column decides which values are
looked at at all. Where a sign is "" it is the pattern itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

Check = Callable[[str], bool]
"""Whether a text that a pattern found is a secret indeed."""


class Pattern(NamedTuple):
    """One kind of secret."""

    kind: str
    pattern: str
    sign: str = ""
    check: Check | None = None


def mixed(text: str) -> bool:
    """Letters and digits both: no word of a language."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


_PLAIN_WORDS: Final = frozenset(
    {"null", "none", "true", "false", "undefined", "string", "bytes", "text", "required", "optional", "secret",
     "password", "passwd", "token", "self", "this", "value", "input", "prompt", "changeme", "example", "redacted",
     "hidden", "empty", "missing", "invalid", "wrong", "incorrect"}
)  # fmt: skip
_CODE: Final = ("os.environ", "os.getenv", "process.env", "env.", "self.", "args.", "config.", "settings.", "str(")


def assigned(text: str) -> bool:
    """A value after `password=` that is no type, placeholder, number, variable, call or mark of redaction."""
    bare = text.strip("\"'`")
    return not (
        len(bare) < 4
        or bare.lower() in _PLAIN_WORDS
        or (bare.replace(".", "").isdigit() and len(bare) < 6)
        or bare[0] in "$<{[(*%"
        or bare.endswith(("(", "()", "[]"))
        or bare.startswith(_CODE)
    )  # fmt: skip


def random_looking(text: str) -> bool:
    """As `assigned`, with letters and digits: `token: str` and `token = next(stream)` are code."""
    return len(text) >= 8 and mixed(text) and assigned(text)


_STRONG: Final = (
    r"passw(?:or)?d|passphrase|apikey|client[_\-]?secret"
    r"|(?:secret|private|account|access|shared|storage|api|auth|encryption|signing)[_\-]?(?:access[_\-]?)?key"
)
_WEAK: Final = r"secret|token|credentials?|cookie|authorization"
_AFTER_KEY: Final = (
    r"(?:[_\-]?(?:value|text|old|new|base64|\d{1,2}))?"  # password_old, secret1
    r"(?:\\{0,7}[\"'`]|\])?\s{0,8}(?:=>|:=|=|:)\s{0,8}"
)
_QUOTED: Final = r"\"(?P<secret_a>(?:[^\"\\]|\\.)+)\""
_SINGLE: Final = r"'(?P<secret_b>(?:[^'\\]|\\.)+)'"
_ESCAPED: Final = r"\\\"(?P<secret_c>(?:[^\"\\]|\\\\(?:\\[\"\\]|[^\"\\]))+)\\\""
_BARE: Final = r"\\{0,7}[\"'`]?(?P<secret_d>[^\s\"'`\\,;&|)}\]<>]+)"
_VALUE: Final = f"(?:{_ESCAPED}|{_QUOTED}|{_SINGLE}|{_BARE})"
"""A value in escaped quotes (JSON within JSON), in quotes, or bare."""

_VENDORS: Final = (
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_\-]{50,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{40,}",
    r"xai-[A-Za-z0-9]{40,}",
    r"r8_[A-Za-z0-9]{30,}",
    r"pplx-[A-Za-z0-9]{40,}",
    r"SG\.[A-Za-z0-9_\-]{16,64}\.[A-Za-z0-9_\-]{16,64}",
    r"do[opr]_v1_[a-f0-9]{64}",
    r"dapi[a-f0-9]{32}",
    r"lin_api_[A-Za-z0-9]{30,}",
    r"hv[sb]\.[A-Za-z0-9_\-]{24,}",
    r"tskey-[a-z]{3,12}-[A-Za-z0-9\-]{10,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
    r"shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}",
    r"dckr_pat_[A-Za-z0-9_\-]{20,}",
    r"ntn_[A-Za-z0-9]{40,}",
    r"figd_[A-Za-z0-9_\-]{30,}",
    r"sntr[ysu]{1,2}_[A-Za-z0-9_=+/\-]{40,}",
    r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}",
    r"(?:sk|pk)-lf-[a-f0-9\-]{30,}",
)

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        "private_key",
        r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
        r".*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----|\z)",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
    ),
    Pattern(
        "jwt", r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?", r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ"
    ),
    Pattern("anthropic_key", r"sk-ant-[A-Za-z0-9_\-]{16,}"),
    Pattern("vendor_key", "|".join(_VENDORS)),
    Pattern(
        "openai_key",
        r"(?:^|[^A-Za-z0-9])(?P<secret>sk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_\-]{20,})",
        r"sk-[A-Za-z0-9_\-]{20}",
        mixed,
    ),
    Pattern(
        "aws_access_key",
        r"(?:^|[^A-Za-z0-9])(?P<secret>(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})",
        r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}",
    ),
    Pattern("github_token", r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}"),
    Pattern("gitlab_token", r"gl(?:pat|dt|ptt|rt|soat|cbt)-[A-Za-z0-9_\-]{20,}"),
    Pattern("slack_token", r"xox[abceoprs]-[A-Za-z0-9\-]{10,}|xapp-\d-[A-Za-z0-9\-]{10,}"),
    Pattern("slack_webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9_/\-]{20,})"),
    Pattern("stripe_key", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{20,}"),
    Pattern("google_key", r"AIza[0-9A-Za-z_\-]{35}|GOCSPX-[0-9A-Za-z_\-]{20,}|ya29\.[0-9A-Za-z_\-]{20,}"),
    Pattern(
        "bearer",
        r"(?i)(?:bearer|authorization\\{0,7}[\"'`]?\s{0,8}[:=]\s{0,8}\\{0,7}[\"'`]?(?:basic|token|digest|apikey))"
        r"\s{1,8}(?P<secret>[A-Za-z0-9._~+/=\-]{8,})",
        r"(?i)bearer\s{1,8}[A-Za-z0-9._~+/=\-]{8}|authorization",
        mixed,
    ),
    Pattern(
        "url_password",
        r"[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/:@\"'<>\\]*:(?P<secret>[^\s@/?#\"'<>\\]+)@",
        r"://[^\s/:@\"'<>\\]*:[^\s@/?#\"'<>\\]+@",
        lambda text: text[0] not in "$<{[",
    ),
    Pattern(
        "connection_string",
        r"(?i)[;\s\"']pwd\s{0,4}=\s{0,4}(?P<secret>[^;\"'\s\\]{4,})|[?&]sig=(?P<secret_e>[A-Za-z0-9%+/=]{20,})",
        r"(?i)[;\s\"']pwd\s{0,4}=|[?&]sig=",
        lambda text: assigned(text) and text[0] not in "/~.",
    ),
    Pattern(
        "flag",
        r"(?i)--[a-z\-]{0,32}(?:password|passwd|token|api-?key|secret)\s{1,4}[\"']?(?P<secret>[^\s\"'\\;&|<>]{4,})"
        r"|(?:-u|--user)\s{1,4}[\"']?[\w.@%\-]+:(?P<secret_e>[^\s\"'\\;&|<>]{4,})",
        r"(?i)--[a-z\-]{0,32}(?:password|passwd|token|api-?key|secret)\s|(?:-u|--user)\s{1,4}[\"']?[\w.@%\-]+:",
        lambda text: assigned(text) and not text.startswith("-"),
    ),
    Pattern("password", f"(?i)(?:{_STRONG}){_AFTER_KEY}{_VALUE}", f"(?i)(?:{_STRONG}){_AFTER_KEY}", assigned),
    Pattern(
        "token",
        f"(?i)(?:{_WEAK}){_AFTER_KEY}{_VALUE}",
        f"(?i)(?:{_WEAK}){_AFTER_KEY}" + r"\\{0,7}[\"'`]?[A-Za-z0-9+/_.~=%\-]{8}",
        random_looking,
    ),
)
"""Every kind, in the order in which they are applied: the most telling names first."""

EMAIL: Final = Pattern("email", r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,24}", r"@[A-Za-z0-9.\-]+\.[A-Za-z]{2}")

HIDDEN_ATTRIBUTES: Final = (
    r"(?i)(?:^token|(?:^|[._\-/])(?:api[_\-.]?key|apikey|x-goog-api-key|(?:proxy-)?authorization|passw(?:or)?d"
    r"|passphrase|secret|(?:secret|private|access|auth|session|refresh|id|bearer|client|api)[_\-.]?(?:access[_\-]?)?"
    r"(?:key|token|secret)|credentials?|(?:set-)?cookie|connection[_\-.]?string))$"
)
"""Attribute keys whose whole value is a secret (values that are a truth value or a short number are kept)."""
