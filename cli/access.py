"""Who may ask the API: names on loopback, tokens beyond."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

from cli.addresses import allowed_hosts, host_port
from pipeline.settings import Settings
from query.guarded import Access, digest
from query.tasks import Scope
from schemas.errors import SettingsError

MIN_TOKEN: Final = 16
"""Characters."""
FORM: Final = "a line each: `read TOKEN` or `write TOKEN`, such as `read $(openssl rand -hex 24)`"


def access(settings: Settings) -> Access:
    """Who may ask, by the settings.

    Raises:
        SettingsError: The API would listen beyond loopback without tokens, or their file is wrong.
    """
    tokens = _tokens(Path(settings.api_tokens_file)) if settings.api_tokens_file else {}
    if not tokens and not is_loopback(settings.api):
        raise SettingsError(
            f"api = {settings.api!r} listens beyond this machine, and nothing says who may ask: name a file of tokens "
            f"with api_tokens_file ({FORM}), or listen on 127.0.0.1"
        )
    return Access(allowed_hosts(settings.api), tokens, per_second=settings.api_per_second)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches HOST:PORT."""
    host = host_port(address)[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tokens(file: Path) -> dict[bytes, Scope]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"api_tokens_file = {str(file)!r} cannot be read: {error}") from error
    found: dict[bytes, Scope] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or words[0] not in ("read", "write") or len(words[1]) < MIN_TOKEN:
            raise SettingsError(f"{file}:{number}: {FORM}, of at least {MIN_TOKEN} characters")
        found[digest(words[1])] = "write" if words[0] == "write" else "read"
    if not found:
        raise SettingsError(f"{file} holds no token: {FORM}")
    return found
