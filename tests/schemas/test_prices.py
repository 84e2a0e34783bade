"""Prices: what a call costs by list, which names agree, and what is refused."""

from __future__ import annotations

import math
import tomllib
from datetime import UTC, datetime
from importlib import resources

import pytest
from genai_prices import Usage, calc_price

from pipeline.assembly import prices
from schemas.errors import SettingsError
from schemas.prices import Tokens, cost_usd, parse

LISTED = prices()
assert LISTED is not None
PROVIDERS = {"Anthropic": "anthropic", "OpenAI": "openai", "Google": "google"}
NOVEMBER = datetime(2026, 11, 25, tzinfo=UTC)
"""When the lists were read: prices of later dates are announced already."""
OURS = """
[[lists]]
provider = "us"
source = "our contract"
date = "2026-10-01"

[lists.models]
"m" = { input = 2, output = 10, cache_read = 0.5, over = { tokens = 1000, input = 4, output = 20 } }
"""


def spent(model: str, *tokens: int) -> float:
    price = LISTED.of(model) if LISTED else None
    assert price is not None
    return cost_usd(price, Tokens(*tokens))


COLLECTED = [
    (model, PROVIDERS[one["provider"]])
    for one in tomllib.loads((resources.files("schemas") / "prices.toml").read_text(encoding="utf-8"))["lists"]
    for model in one["models"]
]


@pytest.mark.parametrize(("model", "provider"), COLLECTED)
@pytest.mark.parametrize("sent", [20_000, 300_000])
def test_every_price_is_what_an_independent_collection_says(model: str, provider: str, sent: int) -> None:
    usage = Usage(input_tokens=sent, output_tokens=3_000, cache_read_tokens=10_000)
    theirs = calc_price(usage, model, provider_id=provider, genai_request_timestamp=NOVEMBER)
    assert spent(model, sent, 3_000, 10_000, 0) == pytest.approx(float(theirs.total_price), rel=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4.5", "Claude-Sonnet-4.5",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5[1m]",
    ],
)  # fmt: skip
def test_a_model_is_known_by_all_its_names(name: str) -> None:
    assert LISTED is not None
    assert LISTED.of(name) == LISTED.of("claude-sonnet-4-5") is not None


def test_a_snapshot_with_a_price_of_its_own_has_that_price() -> None:
    assert spent("gpt-4o-2024-05-13", 1_000_000, 0, -1, -1) == 5
    assert spent("gpt-4o-2024-08-06", 1_000_000, 0, -1, -1) == 2.5


@pytest.mark.parametrize("name", ["", "gpt-99", "my-own-model", "gpt-4o-transcribe", "x" * 10_000])
def test_a_model_that_no_list_names_has_no_price(name: str) -> None:
    assert LISTED is not None
    assert LISTED.of(name) is None


def test_cached_tokens_are_part_of_the_input_unless_they_are_more() -> None:
    price = parse("ours", OURS).of("m")
    assert price is not None
    assert cost_usd(price, Tokens(100, 10, 60, -1)) == pytest.approx((40 * 2 + 10 * 10 + 60 * 0.5) / 1e6)
    assert cost_usd(price, Tokens(20, 10, 60, -1)) == pytest.approx((20 * 2 + 10 * 10 + 60 * 0.5) / 1e6)


def test_a_long_prompt_is_priced_as_one() -> None:
    price = parse("ours", OURS).of("m")
    assert price is not None
    assert cost_usd(price, Tokens(1_000, 0, -1, -1)) == pytest.approx(1_000 * 2 / 1e6)
    assert cost_usd(price, Tokens(1_001, 0, -1, -1)) == pytest.approx(1_001 * 4 / 1e6)


def test_without_tokens_there_is_no_cost() -> None:
    price = parse("ours", OURS).of("m")
    assert price is not None
    assert math.isnan(cost_usd(price, Tokens(-1, -1, -1, -1)))


def test_own_prices_hold_over_those_that_come_along() -> None:
    assert LISTED is not None
    own = LISTED.merged(parse("ours", OURS.replace('"m"', '"gpt-5"')))
    found = own.of("gpt-5")
    assert found is not None
    assert (found.date, found.source) == ("2026-10-01", "our contract")
    assert own.of("gpt-4o") == LISTED.of("gpt-4o")


def test_off_is_no_prices_at_all() -> None:
    assert prices("off") is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[lists]]", "[[list]]", "must hold [[lists]] and nothing else"),
        ('date = "2026-10-01"', 'date = "yesterday"', "lists[0].date: 'yesterday' is no date"),
        ("output = 10,", "", "models.m.output: is missing"),
        ("output = 10,", "output = nan,", "models.m.output: must be US dollars"),
        ("cache_read", "cached", "models.m.cached: not known"),
        ("tokens = 1000", "tokens = -1", "models.m.over.tokens: must be a whole number"),
        ('provider = "us"', "", "lists[0]: must have provider"),
        ("= {", "=", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_reason(old: str, new: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse("ours.toml", OURS.replace(old, new, 1))
    assert "ours.toml: " in str(refused.value)
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match=r"prices_file nowhere\.toml: cannot be read"):
        prices("nowhere.toml")
