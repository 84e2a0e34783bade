"""What a model call costs by its provider's list prices, for calls of which the agent tells tokens and no cost.

Never a guess: a model that no list names has no price, and every price carries the date of its list.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.errors import SettingsError

MILLION: Final = 1_000_000
MAX_PRICE: Final = 100_000.0
_CACHE_LIMIT: Final = 4_096
_NAMES: Final = ("input", "output", "cache_read", "cache_write")
_DATE: Final = re.compile(r"20\d\d-[01]\d(-[0-3]\d)?")
_SNAPSHOT: Final = re.compile(r"([-@]20\d\d-?[01]\d-?[0-3]\d|-latest)$")
_VERSION: Final = re.compile(r"-v\d+(:\d+)?$")


class Rates(NamedTuple):
    """US dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    """Where the provider has no price of its own for cached tokens, that of `input`; `cache_write` likewise."""
    cache_write: float


class Price(NamedTuple):
    """What one model costs."""

    rates: Rates
    over_tokens: int
    """Input tokens beyond which the whole call costs `over`; 0 = never."""
    over: Rates
    date: str
    source: str


class Tokens(NamedTuple):
    """Tokens of a call; -1 = not known."""

    input: int
    """With what was read from and written to the cache; where those are more than it, without them."""
    output: int
    cache_read: int
    cache_write: int


class Prices:
    """Lists of prices by model."""

    def __init__(self, models: Mapping[str, Price]) -> None:
        self._models = models
        self._found: dict[str, Price | None] = {}

    def of(self, model: str) -> Price | None:
        """The price of a model by its name in telemetry; None: no list names it.

        Path and region before the name, a snapshot's date after it and the case of letters make no difference.
        """
        if model not in self._found:
            if len(self._found) >= _CACHE_LIMIT:  # names come from telemetry: this must not grow with them
                self._found.clear()
            self._found[model] = self._look_up(model)
        return self._found[model]

    def _look_up(self, model: str) -> Price | None:
        name = normal(model)
        return self._models.get(name) or self._models.get(_SNAPSHOT.sub("", name))

    def merged(self, others: Prices) -> Prices:
        """These with others added, which hold where both name a model."""
        return Prices({**self._models, **others._models})

    def items(self) -> list[tuple[str, Price]]:
        """Every model with its price, by name."""
        return sorted(self._models.items())


def normal(model: str) -> str:
    """A model's name as lists and telemetry can agree on: `us.anthropic.Claude-X-4.5-v1:0` is `claude-x-4-5`."""
    name = model[:256].lower().partition("[")[0].rsplit("/", 1)[-1]
    name = _VERSION.sub("", name.rpartition("anthropic.")[2])
    return name.replace(".", "-")


def cost_usd(price: Price, tokens: Tokens) -> float:
    """What a call costs; NaN where neither input nor output tokens are known."""
    sent, received, read, written = tokens
    if sent < 0 and received < 0:
        return math.nan
    if min(tokens) < 0:
        sent, received, read, written = max(0, sent), max(0, received), max(0, read), max(0, written)
    cached = read + written
    fresh, whole = (sent - cached, sent) if sent >= cached else (sent, sent + cached)
    rates = price.over if 0 < price.over_tokens < whole else price.rates
    spent = fresh * rates.input + received * rates.output + read * rates.cache_read + written * rates.cache_write
    return spent / MILLION


def parse(file: str, text: str) -> Prices:
    """The prices of one file.

    Raises:
        SettingsError: naming file, key and reason.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    lists = document.get("lists")
    if set(document) != {"lists"} or not isinstance(lists, list):
        raise SettingsError(f"{file}: must hold [[lists]] and nothing else")
    models: dict[str, Price] = {}
    for index, one in enumerate(lists):
        models |= _list(one, f"{file}: lists[{index}]")
    return Prices(models)


def _list(one: Any, where: str) -> dict[str, Price]:
    if not isinstance(one, Mapping) or set(one) != {"provider", "source", "date", "models"}:
        raise SettingsError(f"{where}: must have provider, source, date and models, nothing else")
    if not all(isinstance(one[key], str) and one[key].strip() for key in ("provider", "source", "date")):
        raise SettingsError(f"{where}: provider, source and date must be texts")
    if _DATE.fullmatch(one["date"]) is None:
        raise SettingsError(f"{where}.date: {one['date']!r} is no date: write YYYY-MM-DD, or YYYY-MM")
    if not isinstance(one["models"], Mapping):
        raise SettingsError(f"{where}.models: must be a table")
    return {normal(name): _price(row, one, f"{where}.models.{name}") for name, row in one["models"].items()}


def _price(row: Any, of: Mapping[str, Any], where: str) -> Price:
    if not isinstance(row, Mapping):
        raise SettingsError(f"{where}: must be a table")
    over = row.get("over")
    rates = _rates({key: value for key, value in row.items() if key != "over"}, where)
    if over is None:
        return Price(rates, 0, rates, of["date"], of["source"])
    tokens = over.get("tokens") if isinstance(over, Mapping) else None
    if isinstance(tokens, bool) or not isinstance(tokens, int) or not 0 < tokens <= 10**9:
        raise SettingsError(f"{where}.over.tokens: must be a whole number of tokens")
    beyond = _rates({key: value for key, value in over.items() if key != "tokens"}, f"{where}.over")
    return Price(rates, tokens, beyond, of["date"], of["source"])


def _rates(row: Mapping[str, Any], where: str) -> Rates:
    unknown = set(row) - set(_NAMES)
    if unknown:
        raise SettingsError(f"{where}.{min(unknown)}: not known; known are {', '.join(_NAMES)} and over")
    for key in ("input", "output"):
        if key not in row:
            raise SettingsError(f"{where}.{key}: is missing")
    for key, value in row.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= MAX_PRICE:  # NaN is in no range
            raise SettingsError(f"{where}.{key}: must be US dollars per million tokens, 0 to {MAX_PRICE:g}")
    base = float(row["input"])
    return Rates(base, float(row["output"]), float(row.get("cache_read", base)), float(row.get("cache_write", base)))
