"""A question once it is read, what it is answered from, and the answer before it is sealed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import orjson

from query.parameters import Parameter
from query.reader import Reader, Table
from query.tasks import Task
from schemas.errors import QueryError
from schemas.times import LAST_UNIX_NANO

WINDOW: Final = (
    "StartTimeUnixNano >= fromUnixTimestamp64Nano({since:Int64}) "
    "AND StartTimeUnixNano < fromUnixTimestamp64Nano({until:Int64})"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a task's function gets."""

    task: Task
    values: Mapping[str, Any]
    """Every parameter by name; None where nothing was given and there is no default."""
    after: Sequence[Any]
    """Key of the last row of the page before; empty for the first page."""
    reader: Reader
    now_unix_nano: int
    as_of_unix_nano: int

    def __getitem__(self, name: str) -> Any:
        """The value of a parameter."""
        return self.values[name]

    @property
    def window(self) -> dict[str, Any]:
        """`since` and `until` of the question, whether they were given or not: the parameters of `WINDOW`."""
        return {"since": self["since"] or 0, "until": self["until"] or LAST_UNIX_NANO}

    def resume(self, *first: int | str) -> tuple[Any, ...]:
        """The key to resume after: of the types of `first`, which stands where there is no cursor.

        Raises:
            QueryError: The cursor holds something else.
        """
        if not self.after:
            return first
        key = tuple(self.after)
        fits = len(key) == len(first) and all(type(k) is type(f) for k, f in zip(key, first, strict=True))
        if not fits or any(isinstance(k, int) and not -(2**63) <= k < 2**63 for k in key):
            raise bad_cursor("this cursor is none of ours", "use next_cursor of the page before")
        return key

    async def query(self, sql: str, /, *, final: bool = True, **parameters: Any) -> Table:
        """Rows of the store; `{name:Type}` in the text takes the value of that name; `final`: as `Reader.query`."""
        return await self.reader.query(sql, parameters, final=final)

    async def told_again(self, *tables: str, within: str = WINDOW, **parameters: Any) -> bool:
        """Whether these tables of facts hold rows there that replace others: only then they have to be read as `final`.

        A call is written again when its session becomes known late, with a higher `Version`: that is rare, and an
        index over the versions says at once where none is.

        Args:
            tables: Of `schemas.tables.FACTS`.
            within: SQL of ours; `{table}` stands for the table.
            parameters: Of `within`.
        """
        for table in tables:
            sql = f"SELECT 1 FROM {table} WHERE Version > 0 AND {within.replace('{table}', table)} LIMIT 1"  # noqa: S608
            if (await self.query(sql, final=False, **parameters)).rows:
                return True
        return False


@dataclass(slots=True)
class Answer:
    """What a task's function gives; `query.envelope` makes it fit and adds what every answer says."""

    body: dict[str, Any]
    rows: str = ""
    """The list in `body` that is cut from its end when the budget is short; "" = there is none."""
    keys: Sequence[Sequence[Any]] = ()
    """For each row the key that a cursor resumes after."""
    more: bool = False
    """Whether there are rows beyond those that were read."""
    total: int | None = None
    """How many rows there are in all, where that is known."""
    coverage: dict[str, Any] = field(default_factory=dict)
    """What is missing of just this; numbers that are not 0 make the answer incomplete."""
    next: Sequence[str] = ()
    """Commands that can be run as they stand."""
    narrower: Sequence[str] = ()
    """Commands that would fit, told where something did not."""


def read(task: Task, given: Mapping[str, object], now_unix_nano: int) -> dict[str, Any]:
    """The values of all parameters of a task.

    Raises:
        QueryError: One is unknown, wrong, missing, or does not go with the others.
    """
    known = {p.name: p for p in task.parameters}
    for name in given:
        if name not in known:
            hint = ", ".join(known) or "none"
            raise QueryError("unknown_parameter", f"there is no {name[:60]!r}", field=name[:60], hint=hint)
    identity = task.identity
    form = "one" if identity and given.get(identity.name) is not None else "list"
    values = {name: _value(p, given.get(name), form, now_unix_nano) for name, p in known.items()}
    since, until = values.get("since"), values.get("until")
    if since is not None and until is not None and since >= until:
        said = f"since ({given.get('since') or known['since'].default}) is not before until ({given['until']})"
        raise QueryError("bad_combination", said, field="since", hint="give an earlier since, or a later until")
    return values


def _value(parameter: Parameter, given: object, form: str, now_unix_nano: int) -> Any:
    if given is not None and parameter.form not in ("both", form):
        said = "does not go with an id" if form == "one" else "goes with an id only"
        raise QueryError(
            "bad_combination", f"{parameter.name} {said}", field=parameter.name, hint=f"leave {parameter.name} out"
        )
    if given is None and parameter.required:
        raise QueryError("missing", f"{parameter.name} is not given", field=parameter.name, hint=parameter.doc)
    if given is None:
        given = parameter.default
        if given is None or parameter.kind != "moment":
            return given
    return parameter.read(given, now_unix_nano)


def cursor(mark: str, key: Sequence[Any]) -> str:
    """A cursor that resumes after the row of this key."""
    return base64.urlsafe_b64encode(orjson.dumps([mark, *key])).decode().rstrip("=")


def position(mark: str, text: str | None) -> Sequence[Any]:
    """The key in a cursor; raises QueryError on one that is not ours, or of another question."""
    if not text:
        return ()
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(found, list) or len(found) < 2:
            raise ValueError(text)
    except (ValueError, binascii.Error) as error:
        raise bad_cursor("this cursor is none of ours", "use next_cursor of the page before") from error
    if found[0] != mark:
        hint = "give the parameters of the page before, or leave the cursor out"
        raise bad_cursor("this cursor belongs to another question", hint)
    return found[1:]


def bad_cursor(message: str, hint: str) -> QueryError:
    """The error of a cursor that cannot be used."""
    return QueryError("bad_cursor", message, field="cursor", hint=hint)


def mark_of(task: Task, given: Mapping[str, object]) -> str:
    """What ties a cursor to its question: the task and what was given, page and budget aside."""
    page = ("cursor", "limit", "max_tokens")
    text = orjson.dumps([task.name, sorted((k, v) for k, v in given.items() if k not in page and v is not None)])
    return blake2b(text, digest_size=4).hexdigest()
