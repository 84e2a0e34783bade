"""Who is told, from a TOML file and from settings.

[[webhook]]
name = "triage"
url = "https://hooks.example.com/telltale"
secret_env = "TRIAGE_SECRET"        # or secret = "..."
min_severity = "warning"

[alertmanager]
url = "http://127.0.0.1:9093"
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from query.feed.consumers import NAME
from schemas.errors import SettingsError
from sinks.alertmanager import Alertmanager
from sinks.webhook import Webhook

T = TypeVar("T", Webhook, Alertmanager)

Outcome = Callable[[str, str], None]
"""Told of each attempt: who was to be told, and `delivered`, `failed` or `parked`."""

MAX_WEBHOOKS: Final = 32
KINDS: Final[dict[str, type | tuple[type, ...]]] = {"str": str, "int": int, "float": (int, float)}


@dataclass(frozen=True, slots=True)
class Notified:
    """Who is told."""

    webhooks: tuple[Webhook, ...] = ()
    alertmanager: Alertmanager | None = None

    def __post_init__(self) -> None:
        """Refuse names that are none, or there twice."""
        names = [webhook.name for webhook in self.webhooks]
        for name in names:
            if NAME.fullmatch(name) is None:
                raise SettingsError(f"{name!r} cannot be the name of a webhook: letters, digits, `.`, `_` and `-`")
            if names.count(name) > 1:
                raise SettingsError(f"two webhooks are called {name!r}")
        if len(names) > MAX_WEBHOOKS:
            raise SettingsError(f"there may be {MAX_WEBHOOKS} webhooks")


def from_file(path: Path, environment: Mapping[str, str]) -> Notified:
    """What a file says; raises SettingsError naming the file, the place in it and the repair."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    unknown = sorted(set(found) - {"webhook", "alertmanager"})
    if unknown:
        raise SettingsError(f"{path}: there is no {unknown[0]!r}, only [[webhook]] and [alertmanager]")
    webhooks, alertmanager = found.get("webhook", []), found.get("alertmanager")
    if not isinstance(webhooks, list) or not isinstance(alertmanager or {}, dict):
        raise SettingsError(f"{path}: write [[webhook]] for each webhook, and [alertmanager] once")
    try:
        return Notified(
            tuple(_made(Webhook, _with_secret(one, environment)) for one in webhooks),
            None if alertmanager is None else _made(Alertmanager, alertmanager),
        )
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def joined(one: Notified, other: Notified) -> Notified:
    """Both."""
    return Notified(one.webhooks + other.webhooks, other.alertmanager or one.alertmanager)


def _with_secret(given: Any, environment: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise SettingsError("write [[webhook]] for each webhook")
    fields = dict(given)
    variable = fields.pop("secret_env", None)
    if variable is None:
        return fields
    if "secret" in fields:
        raise SettingsError("write secret or secret_env, not both")
    if not isinstance(variable, str) or not environment.get(variable):
        raise SettingsError(f"secret_env = {variable!r}: there is no such variable, or it is empty")
    return fields | {"secret": environment[variable]}


def _made(kind: type[T], given: dict[str, Any]) -> T:
    """An instance of the fields that are given, each of its declared type."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, value in given.items():
        if name not in fields:
            raise SettingsError(f"{kind.__name__.lower()}: there is no {name!r}; there are {', '.join(fields)}")
        if isinstance(value, bool) or not isinstance(value, KINDS[str(fields[name].type)]):
            raise SettingsError(f"{kind.__name__.lower()}: {name} = {value!r} is of the wrong type")
    missing = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in given]
    if missing:
        raise SettingsError(f"{kind.__name__.lower()}: {missing[0]} is missing")
    return kind(**given)
