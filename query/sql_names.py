"""Names without parentheses in SQL of users, where the engine could take one for a function or a table.

`arrayMap(file, ['/etc/passwd'])` calls `file`, `SELECT currentUser` a function too, and `x IN consumers` reads a
table. So every name must be a column, an alias or an argument of a lambda at its place, and a function that takes a
function is given a lambda, whatever is called how.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from query.sql_scope import Scope, column_names, visible_cte
from schemas.errors import QueryError

_HIGHER_ORDER: Final = """
arrayall arrayavg arraycompact arraycount arraycumsum arraycumsumnonnegative arraydifference arrayexists arrayfill
arrayfilter arrayfirst arrayfirstindex arrayfirstornull arrayfold arraylast arraylastindex arraylastornull arraymap
arraymax arraymin arraypartialsort arrayproduct arrayreversefill arrayreversesort arraysort arraysplit arraysum
mapall mapapply mapexists mapfilter mapreversesort mapsort
"""

_KEYWORDS: Final = """
current_database current_role current_roles current_schema current_schemas current_user currentdatabase
currenthandler currentprofiles currentrequesturl currentroles currentschemas currentuser database schema
session_user system_user user
"""

TAKE_A_FUNCTION: Final = frozenset(_HIGHER_ORDER.split())
"""Of the functions that can be called those whose first argument may be a function, lower case."""

KEYWORD_FUNCTIONS: Final = frozenset(_KEYWORDS.split())
"""What tells of the server without parentheses; no name may be one of these, so that none hides one."""

_ARGUMENTS_IN_TWO: Final = 2
_CONSTANTS: Final = frozenset({"all", "inf", "infinity", "nan", "now", "today", "current_timestamp", "current_date"})
_COLUMNS: Final = column_names()
_CALLED_IN: Final = frozenset({"in", "notin"})


def check_names(statement: exp.Query) -> None:
    """Check that each name in an expression is one of the statement's own or a column.

    Raises:
        QueryError: One is not.
    """
    scope, certain = Scope(certain=False), Scope(certain=True)
    sources = {table.alias_or_name for table in statement.find_all(exp.Table, exp.Subquery, exp.CTE)}
    for node in statement.walk():
        if isinstance(node, exp.In):
            _check_in(certain, node, [node.args.get("field"), *node.expressions])
        elif isinstance(node, exp.Anonymous) and node.name.lower() in _CALLED_IN:
            _check_in(certain, node, node.expressions)
        elif isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            if not _is_in_operand(node):
                root = node.parts[0].name
                _check_known(scope, node, root, among=sources if node.table else frozenset())
        elif isinstance(node, exp.Identifier) and _is_expression(node):
            _check_known(scope, node, node.name)


def check_calls(tokens: list[Token]) -> None:
    """Check in the text that will run that what takes a function is given a lambda.

    Raises:
        QueryError: It is given something else, or a name is one of `KEYWORD_FUNCTIONS`.
    """
    for at, token in enumerate(tokens):
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            continue
        if token.text.lower() in KEYWORD_FUNCTIONS:
            said = f"`{token.text}` is a function of the server and cannot be a name here"
            raise QueryError("not_allowed", said, field="sql", hint=f"another name, for instance `{token.text}_name`")
        if token.text.lower() in TAKE_A_FUNCTION and _opens(tokens, at + 1):
            arguments = _arguments(tokens, at + 1)
            if len(arguments) >= _ARGUMENTS_IN_TWO and not _is_lambda(arguments[0]):
                said = f"`{token.text}` takes a lambda here, not the name of a function"
                hint = f"`{token.text}(x -> lower(x), ...)`, with more arguments `(x, y) -> ...`"
                raise QueryError("not_allowed", said, field="sql", hint=hint)


def _check_in(scope: Scope, node: exp.Expr, operands: list[exp.Expr | None]) -> None:
    """`x IN name` reads a table, though it looks like a column."""
    for operand in operands:
        named = _bare(operand)
        if isinstance(named, exp.Identifier) or (isinstance(named, exp.Column) and not named.table):
            known = scope.sees(node, named.name) or visible_cte(node, named.name) is not None
        else:
            known = not isinstance(named, (exp.Column, exp.Dot))
        if not known:
            said = "IN takes a list, a subquery, or a column or alias of this SELECT here"
            raise QueryError("not_allowed", said, field="sql", hint="x IN (SELECT ...), or x IN (1, 2)")


def _bare(operand: exp.Expr | None) -> exp.Expr | None:
    while isinstance(operand, (exp.Paren, exp.Alias)):
        operand = operand.this
    return operand


def _is_in_operand(node: exp.Expr) -> bool:
    """Whether `_check_in` has seen to it, which lets names of WITH queries be."""
    at = node
    while isinstance(at.parent, (exp.Paren, exp.Alias)):
        at = at.parent
    if isinstance(at.parent, exp.In):
        return at.arg_key != "this"
    return isinstance(at.parent, exp.Anonymous) and at.parent.name.lower() in _CALLED_IN


def _is_expression(node: exp.Identifier) -> bool:
    """Whether an identifier is a value (sqlglot leaves arguments of a lambda so), not a name given or a part of one."""
    parent, key = node.parent, node.arg_key
    if isinstance(parent, (exp.Column, exp.Table, exp.TableAlias, exp.Window, exp.ColumnDef)) or _is_in_operand(node):
        return False
    return (type(parent), key) not in {
        (exp.Alias, "alias"),
        (exp.Dot, "expression"),
        (exp.Join, "using"),
        (exp.Lambda, "expressions"),
    }


def _check_known(scope: Scope, node: exp.Expr, name: str, among: frozenset[str] | set[str] = frozenset()) -> None:
    if name in _COLUMNS or name in among or name.lower() in _CONSTANTS or scope.sees(node, name):
        return
    said = f"there is no column or alias {name[:60]!r} at its place"
    hint = "columns: SELECT * FROM the table LIMIT 1; text stands in '...', a function is called with ()"
    raise QueryError("unknown_column", said, field="sql", hint=hint)


def _opens(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].token_type is TokenType.L_PAREN


def _arguments(tokens: list[Token], at: int) -> list[list[Token]]:
    """What stands between commas in the parentheses that open at a token."""
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[at:]:
        if token.token_type in (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE):
            depth += 1
        elif token.token_type in (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE):
            depth -= 1
        if depth == 0:
            break
        if depth == 1 and token.token_type is TokenType.COMMA:
            arguments.append([])
        else:
            arguments[-1].append(token)
    arguments[0] = arguments[0][1:]  # the parenthesis itself
    return arguments


def _is_lambda(argument: list[Token]) -> bool:
    """`x -> ...` or `(x, y) -> ...`, with nothing in front."""
    if not argument:
        return False
    arrow = 1
    if argument[0].token_type is TokenType.L_PAREN:
        closing = (at for at, token in enumerate(argument) if token.token_type is TokenType.R_PAREN)
        arrow = next(closing, len(argument)) + 1
    return arrow < len(argument) and argument[arrow].token_type is TokenType.ARROW
