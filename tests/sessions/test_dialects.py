from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.sessions import SessionModel, load_all
from pipeline.sessions.dialects import DIALECTS, parse
from schemas.errors import DialectError
from tests.sessions.tables import request, table

ALL = load_all()
EXAMPLES = [(dialect.name, example) for dialect in ALL for example in dialect.examples]


@pytest.fixture(scope="module")
def model() -> SessionModel:
    return SessionModel(ALL)


@pytest.mark.parametrize(("dialect", "example"), EXAMPLES, ids=[f"{name}: {one['name']}" for name, one in EXAMPLES])
def test_an_example_becomes_the_fact_that_its_dialect_says(
    model: SessionModel, dialect: str, example: Mapping[str, Any]
) -> None:
    signal, built = request(example)
    facts = model.facts(signal, table(signal, [built]))
    expected = dict(example["expect"])
    kind = expected.pop("fact")
    by_kind: dict[str, list[Any]] = {
        "tool_call": facts.tool_calls, "model_call": facts.model_calls, "marker": facts.markers,
    }  # fmt: skip
    for other, found in by_kind.items():
        assert len(found) == (other == kind), f"{other}: {found}"
    assert bool(facts.claimed[0]) == (kind != "unclaimed")
    found = by_kind.get(kind) or (facts.links if kind == "link" else [])
    if kind in ("none", "unclaimed"):
        assert not found
        return
    seen = found[0]._asdict()
    for field, value in expected.items():
        got: Any = list(seen[field]) if isinstance(value, list) else seen[field]
        assert got == value or (isinstance(value, float) and math.isclose(got, value)), f"{field}: {got!r}"
    if kind != "link":
        assert seen["dialect"] == dialect


def test_every_dialect_has_examples_of_what_it_makes() -> None:
    for dialect in ALL:
        made = {rule.fact for rule in dialect.rules} & {"tool_call", "model_call", "marker"}
        shown = {example["expect"]["fact"] for example in dialect.examples}
        assert made <= shown, f"{dialect.name}: no example of {made - shown}"


def test_every_dialect_file_is_listed_and_named_after_itself() -> None:
    from importlib import resources

    files = {one.name for one in (resources.files("schemas") / "dialects").iterdir() if one.name.endswith(".toml")}
    assert files == {f"{name}.toml" for name in DIALECTS}
    assert [dialect.name for dialect in ALL] == list(DIALECTS)


HEAD = 'name = "d"\ntitle = "T"\n[[rules]]\n'
RULE = HEAD + 'name = "r"\nsignal = "span"\nfact = "tool_call"\nscope = "x"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "not TOML"),
        ('title = "T"', "name"),
        ('name = "d"\ntitle = "T"', "rules"),
        ('name = "d"\ntitle = "T"\ncolour = "red"\n[[rules]]\n' + RULE, "colour"),
        ('name = "d"\ntitle = "T"\n[[rules]]\nname = "r"\nsignal = "smoke"\nfact = "tool_call"', "smoke"),
        ('name = "d"\ntitle = "T"\n[[rules]]\nname = "r"\nsignal = "span"\nfact = "dance"', "dance"),
        ('name = "d"\ntitle = "T"\n[[rules]]\nname = "r"\nsignal = "span"\nfact = "tool_call"', "without a condition"),
        (RULE + "[rules.fields]\nhat = 'x'", "hat"),
        (
            RULE + "[rules.fields]\nresult = { attribute = 'x', do = 'fly' }",
            "fly",
        ),
        (
            RULE + "[rules.fields]\nresult = { do = 'exit_code' }",
            "needs one of",
        ),
        (RULE + "[rules.fields]\nresult = { column = 'moon' }", "moon"),
        (RULE + "noise = 'yes'", "noise"),
        (RULE + "where = { a = [1] }", "where"),
    ],
)
def test_a_bad_file_is_refused_with_file_key_and_reason(text: str, says: str) -> None:
    with pytest.raises(DialectError, match=says) as caught:
        parse("d.toml", text)
    assert "d.toml" in str(caught.value)
