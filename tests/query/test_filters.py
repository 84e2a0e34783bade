"""Filters that cannot be used are refused with words that say why."""

from __future__ import annotations

import pytest

from query.filters import condition
from schemas.errors import QueryError


@pytest.mark.parametrize("expression", ["(", "(a{1000}){1000}", "(a?){1000}" * 15, "x" * 201, "(?P<n>"])
def test_an_expression_that_the_engine_would_not_take_is_refused_in_words(expression: str) -> None:
    with pytest.raises(QueryError) as refused:
        condition(f"name =~ {expression}", "tool", 0)
    assert refused.value.field == "where"
    assert "regular expression" in refused.value.hint
    assert "b'" not in refused.value.hint
