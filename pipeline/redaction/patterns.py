"""What secrets look like, declared once. Every pattern is RE2: linear time on any text, no look-around.

A pattern's group `secret` is what gets replaced by `[REDACTED:kind]`; without such a group it is the whole match.
`sign` is a pattern that matches wherever the pattern may match: one search for all signs over a whole column decides
which values are looked at at all.
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
    sign: str
    check: Check | None = None


def mixed(text: str) -> bool:
    """Letters and digits both: no word of a language."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


_PLAIN_WORDS: Final = frozenset(
    {"null", "none", "true", "false", "undefined", "string", "str", "text", "bytes", "required", "optional", "secret",
     "password", "token", "self", "this", "value", "input", "prompt", "changeme", "example", "redacted", "hidden"}
)  # fmt: skip


def assigned(text: str) -> bool:
    """A value after `password=` that is no type, placeholder, number, variable or call."""
    bare = text.strip("\"'`")
    return not (
        len(bare) < 4
        or bare.lower() in _PLAIN_WORDS
        or bare.replace(".", "").replace("-", "").replace("_", "").isdigit()
        or bare[0] in "$<{[(*%"
        or bare.endswith(("(", "()", "]"))
        or bare.startswith(("os.environ", "process.env", "env.", "self.", "args.", "config.", "settings.", "REDACTED"))
    )


def token_assigned(text: str) -> bool:
    """As `assigned`, and it looks random: `token: str` and `token = next(stream)` are code."""
    return len(text) >= 8 and mixed(text) and assigned(text)


_URL: Final = r"[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/:@\"'<>\\]*:"
_STRONG: Final = r"passw(?:or)?d|passwd|pwd|passphrase|(?:secret|private|account|access|shared|storage|api|auth)[_\-]?(?:access[_\-]?)?key|apikey|client[_\-]?secret|secret"
_WEAK: Final = r"token|credentials?|cookie|session[_\-]?id|authorization|signature|sig"
_AFTER_KEY: Final = r"[\w.\-]*(?:\\{0,7}[\"'`]|\])?\s{0,8}(?:=>|:=|=|:)\s{0,8}"
_QUOTED: Final = r"\"(?P<{0}a>(?:[^\"\\]|\\.)+)\""
_SINGLE: Final = r"'(?P<{0}b>(?:[^'\\]|\\.)+)'"
_ESCAPED: Final = r"\\\"(?P<{0}c>(?:[^\"\\]|\\\\(?:\\[\"\\]|[^\"\\]))+)\\\""
_BARE: Final = r"\\{{0,7}}[\"'`]?(?P<{0}d>[^\s\"'`\\,;&|)}}\]<>]+)"

ASSIGNED_VALUE: Final = "|".join(one.format("secret_") for one in (_ESCAPED, _QUOTED, _SINGLE, _BARE))
"""A value in quotes, in escaped quotes (JSON within JSON), or bare."""

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
    Pattern("anthropic_key", r"sk-ant-[A-Za-z0-9_\-]{16,}", r"sk-ant-[A-Za-z0-9_\-]{16}"),
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
    Pattern(
        "github_token",
        r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}",
        r"gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{22}",
    ),
    Pattern(
        "gitlab_token",
        r"gl(?:pat|dt|ptt|rt|soat|cbt)-[A-Za-z0-9_\-]{20,}",
        r"gl(?:pat|dt|ptt|rt|soat|cbt)-[A-Za-z0-9_\-]{20}",
    ),
    Pattern(
        "slack_token",
        r"xox[abceoprs]-[A-Za-z0-9\-]{10,}|xapp-\d-[A-Za-z0-9\-]{10,}",
        r"xox[abceoprs]-[A-Za-z0-9\-]{10}|xapp-\d-",
    ),
    Pattern(
        "slack_webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9_/\-]{20,})",
        r"hooks\.slack\.com/",
    ),
    Pattern(
        "stripe_key",
        r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{20,}",
        r"k_(?:live|test)_[A-Za-z0-9]{16}|whsec_",
    ),
    Pattern(
        "google_key",
        r"AIza[0-9A-Za-z_\-]{35}|GOCSPX-[0-9A-Za-z_\-]{20,}|ya29\.[0-9A-Za-z_\-]{20,}",
        r"AIza[0-9A-Za-z_\-]{35}|GOCSPX-|ya29\.[0-9A-Za-z_\-]{20}",
    ),
    Pattern(
        "vendor_key",
        r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_\-]{50,}|hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}"
        r"|r8_[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{40,}|SG\.[A-Za-z0-9_\-]{16,64}\.[A-Za-z0-9_\-]{16,64}"
        r"|do[opr]_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}|lin_api_[A-Za-z0-9]{30,}|hv[sb]\.[A-Za-z0-9_\-]{24,}"
        r"|tskey-[a-z]+-[A-Za-z0-9\-]{10,}|AGE-SECRET-KEY-1[A-Z0-9]{58}|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}"
        r"|dckr_pat_[A-Za-z0-9_\-]{20,}|ntn_[A-Za-z0-9]{40,}|figd_[A-Za-z0-9_\-]{30,}|sntr[ysu]{1,2}_[A-Za-z0-9_=+/\-]{40,}",
        r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_\-]{50}|hf_[A-Za-z0-9]{30}|gsk_[A-Za-z0-9]{40}|xai-[A-Za-z0-9]{40}"
        r"|r8_[A-Za-z0-9]{30}|pplx-[A-Za-z0-9]{40}|SG\.[A-Za-z0-9_\-]{16,64}\.|do[opr]_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}"
        r"|lin_api_|hv[sb]\.[A-Za-z0-9_\-]{24}|tskey-|AGE-SECRET-KEY-1|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|dckr_pat_"
        r"|ntn_[A-Za-z0-9]{40}|figd_[A-Za-z0-9_\-]{30}|sntr[ysu]{1,2}_[A-Za-z0-9_=+/\-]{40}",
    ),
    Pattern(
        "bearer",
        r"(?i)(?:bearer|authorization\\{0,7}[\"'`]?\s{0,8}[:=]\s{0,8}\\{0,7}[\"'`]?(?:basic|token|digest|apikey))\s{1,8}(?P<secret>[A-Za-z0-9._~+/=\-]{8,})",
        r"(?i)(?:bearer|basic|token|digest|apikey)\s{1,8}[A-Za-z0-9._~+/=\-]{8}",
        mixed,
    ),
    Pattern("url_password", _URL + r"(?P<secret>[^\s@\"'<>\\]+)@", r"://[^\s/:@\"'<>\\]*:[^\s@\"'<>\\]+@"),
    Pattern(
        "password",
        rf"(?i)(?:{_STRONG}){_AFTER_KEY}(?:{ASSIGNED_VALUE})",
        rf"(?i)(?:{_STRONG}){_AFTER_KEY}",
        assigned,
    ),
    Pattern(
        "token",
        rf"(?i)(?:{_WEAK}){_AFTER_KEY}(?:{ASSIGNED_VALUE})",
        rf"(?i)(?:{_WEAK}){_AFTER_KEY}[^\s]{{8}}",
        token_assigned,
    ),
)
"""Every kind, in the order in which they are applied: the most telling names first."""

EMAIL: Final = Pattern(
    "email", r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}", r"@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2}"
)

SECRET_KEY: Final = (
    r"(?i)(?:^|[._\-/])(?:(?:x|openai|anthropic|azure|google|gemini|aws|github|stripe|codex)[_\-])?"
    r"(?:api[_\-.]?key|apikey|x-goog-api-key|(?:proxy-)?authorization|passw(?:or)?d|passwd|pwd|passphrase|secret"
    r"|(?:secret|private|access|auth|session|refresh|id|bearer|client|api)[_\-.]?(?:access[_\-]?)?(?:key|token|secret)"
    r"|credentials?|(?:set-)?cookie|connection[_\-.]?string)$"
)
"""Attribute keys whose whole value is a secret (values that are a truth value or a number are kept)."""
