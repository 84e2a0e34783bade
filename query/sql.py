"""SQL of users: parsed, checked and written anew, so that what was checked is what runs.

The embedded engine has no users or grants: `readonly = 1` refuses writes and table functions, but hides no system
table, and lets INTO OUTFILE write files. So what may be said is listed here. The text that reaches the engine is
generated from the parsed statement, never the user's own: comments, quoting and everything that two parsers might
read in two ways is gone.
"""

from __future__ import annotations

import logging
import re
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from query.functions import TABLE_FUNCTIONS, allowed
from query.sql_names import check_calls, check_names
from query.sql_scope import visible_cte
from schemas.errors import QueryError
from schemas.tables import DECLARED

DIALECT: Final = "clickhouse"
MAX_SQL_CHARACTERS: Final = 20_000

READABLE: Final = frozenset(one.name for one in DECLARED)
HIDDEN_DATABASES: Final = frozenset({"system", "information_schema"})

_PLAIN_NAME: Final = re.compile(r"[\w .:@/$*+-]{1,200}", re.ASCII)
_DENIED: Final = (
    (
        (exp.Parameter, exp.SessionParameter, exp.Placeholder),
        "query parameters",
    ),
    ((exp.Into, exp.Lock, exp.Command, exp.DML, exp.DDL, exp.Values, exp.Comprehension), "anything but SELECT"),
)

# A statement outside its grammar is logged by sqlglot, text and all; here it is an answer to the user.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def safe_sql(text: str, limit: int) -> str:
    """The statement as it may run.

    Args:
        text: One SELECT, as the user wrote it.
        limit: Rows that it may give; a larger LIMIT of its own is cut.

    Raises:
        QueryError: It is not one SELECT over our tables; the hint says what is possible.
    """
    try:
        return _checked(_parse(text), limit)
    except RecursionError as error:
        said = "the SQL is nested too deeply"
        raise QueryError("too_complex", said, field="sql", hint="nest less, or use fewer WITH queries") from error


def _checked(statement: exp.Query, limit: int) -> str:
    _check_nodes(statement)
    _check_tables(statement)
    check_names(statement)
    written = _limited(statement, limit).sql(DIALECT, comments=False)
    tokens = sqlglot.tokenize(written, read=DIALECT)
    _check_words(tokens)
    check_calls(tokens)
    return written


def _limited(statement: exp.Query, limit: int) -> exp.Query:
    own = statement.args.get("limit")
    if isinstance(statement, exp.Select):
        if own is None:
            return statement.limit(limit)
        # LIMIT BY and WITH TIES have more than a number.
        count = own.args.get("expression") if not any(own.args[a] for a in own.args if a != "expression") else None
        if isinstance(count, exp.Literal) and count.is_int and int(count.this[:12]) <= limit:
            return statement
    # After UNION a LIMIT would hold for the last SELECT only, LIMIT BY for each group.
    return exp.select("*").from_(statement.subquery("answer")).limit(limit)


def _parse(text: str) -> exp.Query:
    if not text.strip():
        raise QueryError("empty", "there is no SQL", field="sql", hint="for instance: SELECT count() FROM tool_calls")
    if len(text) > MAX_SQL_CHARACTERS:
        said = f"SQL may have {MAX_SQL_CHARACTERS} characters"
        raise QueryError("too_long", said, field="sql", hint="ask in two statements")
    try:
        statements = [s for s in sqlglot.parse(text, read=DIALECT) if s is not None]
    except SqlglotError as error:
        raise QueryError("syntax", _first_line(error), field="sql", hint="this is ClickHouse SQL") from error
    if len(statements) != 1:
        raise QueryError("one_statement", "exactly one statement is run", field="sql", hint="leave the `;` out")
    statement = statements[0].unnest()
    if not isinstance(statement, (exp.Select, exp.SetOperation)):
        raise QueryError("only_select", "only SELECT is run here", field="sql", hint=_tables_hint())
    if isinstance(statement, exp.Select) and not statement.expressions:
        raise QueryError("syntax", "SELECT names no column", field="sql", hint="this is ClickHouse SQL")
    return statement


def _check_nodes(statement: exp.Query) -> None:
    for node in statement.walk():
        for kinds, what in _DENIED:
            if isinstance(node, kinds):
                raise QueryError("not_allowed", f"{what} cannot be run here", field="sql", hint=_tables_hint())
        for clause in ("settings", "format", "into"):
            if isinstance(node, exp.Query) and node.args.get(clause):
                raise QueryError(
                    "not_allowed",
                    f"{clause.upper()} cannot be set here",
                    field="sql",
                    hint=f"leave {clause.upper()} out",
                )
        if isinstance(node, exp.Identifier) and not _PLAIN_NAME.fullmatch(node.name):
            said = f"{node.name[:60]!r} cannot be a name here"
            raise QueryError("not_allowed", said, field="sql", hint="letters, digits and `_`")


def _check_tables(statement: exp.Query) -> None:
    for table in statement.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier):
            known = table.name in READABLE or visible_cte(table, table.name) is not None
            if table.db or table.catalog or not known:
                name = ".".join(part for part in (table.catalog, table.db, table.name) if part)
                raise QueryError("unknown_table", f"there is no table {name[:100]!r}", field="sql", hint=_tables_hint())
        elif table.this.name.lower() not in TABLE_FUNCTIONS or table.db:
            raise QueryError("not_allowed", "table functions cannot be read here", field="sql", hint=_tables_hint())


def _check_words(tokens: list[Token]) -> None:
    """Check the text that will run, word by word."""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            continue
        if token.text.lower() in HIDDEN_DATABASES:
            raise QueryError("not_allowed", f"`{token.text}` cannot be read here", field="sql", hint=_tables_hint())
        calls = following is not None and following.token_type is TokenType.L_PAREN
        if calls and re.search(r"\w", token.text) and not allowed(token.text):
            raise QueryError(
                "unknown_function",
                f"the function {token.text[:60]!r} cannot be called here",
                field="sql",
                hint="functions over numbers, text, times, arrays, maps and JSON, and aggregates, can be called",
            )


def _tables_hint() -> str:
    return "tables: " + ", ".join(sorted(READABLE))


def _first_line(error: Exception) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return text.splitlines()[0][:300] if text else "the SQL cannot be parsed"
