"""The session model: rows of `otel_traces` and `otel_logs` in, facts out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from pipeline.redaction import Redactor
from pipeline.sessions import building, doubling, links, messages
from pipeline.sessions.columns import Rows
from pipeline.sessions.dialects import Dialect
from pipeline.sessions.facts import MESSAGE, Facts
from pipeline.sessions.matching import MAX_NAME_CHARS, SLOTS, Candidate, Matcher, Plan, first_plan, named
from pipeline.sessions.transforms import exit_code
from schemas.prices import Prices
from schemas.signatures import PLACEHOLDERS

_INPUT_MESSAGES: Final = SLOTS["model_call"]["input_messages"]
_OUTPUT_MESSAGES: Final = SLOTS["model_call"]["output_messages"]
_CONTENT: Final = SLOTS["message"]["content"]


class SessionModel:
    """Knows the dialects; holds nothing of the data but which rules fit which shapes of records.

    One instance serves one thread at a time.
    """

    def __init__(
        self, dialects: Iterable[Dialect], redactor: Redactor | None = None, prices: Prices | None = None
    ) -> None:
        """`prices`: for model calls that tell no cost; None: their cost stays unknown."""
        self._matcher = Matcher(dialects)
        self._redactor = redactor or Redactor()
        self._prices = prices

    def facts(self, signal: str, table: pa.Table) -> Facts:
        """The facts in a table of `otel_traces` (signal `traces`) or `otel_logs` (`logs`). Never raises on data."""
        found = Facts.empty(table.num_rows)
        if signal not in ("traces", "logs") or not table.num_rows:
            return found
        batch = _Batch(Rows(signal, table), found)
        batch.read(self._matcher)
        doubling.drop(found, batch.links_of)
        if signal == "traces":
            links.choose(batch.rows, found, batch.links_of)
        self._redact(found)
        if self._prices is not None and found.model_calls:
            found.model_calls[:] = [building.priced(call, self._prices) for call in found.model_calls]
        return found

    def _redact(self, found: Facts) -> None:
        """Redact the previews, then cut them."""
        if not found.tool_calls:
            return
        limit = building.MAX_PREVIEW_CHARS
        arguments = self._redactor.texts([call.arguments for call in found.tool_calls])
        results = self._redactor.texts([call.result for call in found.tool_calls])
        for at, call in enumerate(found.tool_calls):
            first, second = arguments[at][:limit], results[at][:limit]
            if first is not call.arguments or second is not call.result:
                found.tool_calls[at] = call._replace(arguments=first, result=second)


class _Batch:
    """One table while it is being read."""

    def __init__(self, rows: Rows, found: Facts) -> None:
        self.rows = rows
        self.found = found
        self.links_of: dict[int, tuple[Plan, list[Any]]] = {}
        """Claimed spans that may need a link: row -> (plan, values)."""
        self._histories: dict[tuple[str, str], list[messages.Message]] = {}
        self._last: dict[tuple[str, str], tuple[int, Plan, list[Any]]] = {}

    def read(self, matcher: Matcher) -> None:
        """Read every row once."""
        rows, shapes = self.rows, self.rows.attributes
        known: dict[tuple[str, bytes, str], tuple[Candidate, ...]] = {}
        for row in range(rows.count):
            shape = (rows.scope[row], shapes.shape(row), rows.span_name[row])
            candidates = known.get(shape)
            if candidates is None:
                allowed = matcher.candidates(rows.signal, shape[0], shapes.keys_of(shape[1]))
                candidates = known[shape] = named(allowed, shape[2])
            if candidates:
                plan = first_plan(candidates, rows, row)
                if plan is not None:
                    self._take(row, plan)
        for at, history in self._histories.items():
            row, plan, values = self._last[at]
            self._exchanges(row, plan, values, messages.exchanges(history))

    def _take(self, row: int, plan: Plan) -> None:
        rule, found = plan.rule, self.found
        found.claimed[row] = True
        if rule.fact == "ignore":
            found.ignored[row] = rule.noise
            return
        values = plan.values(self.rows, row)
        if rule.fact == "tool_call":
            call = building.tool_call(plan, values, self.rows, row)
            if rule.wrapper and call.outcome != "error" and rule.wrapper in call.arguments:
                found.ignored[row] = True
                return
            found.tool_calls.append(call)
            found.tool_call_rows.append(row)
        elif rule.fact == "model_call":
            history = self._history(row, plan, values) if rule.messages else []
            found.model_calls.append(building.model_call(plan, values, self.rows, row))
            found.model_call_rows.append(row)
            if history:
                self._exchanges(row, plan, values, messages.exchanges(history))
                if messages.user_spoke(history):
                    found.markers.append(building.prompt(found.model_calls[-1]))
                    found.marker_rows.append(row)
        elif rule.fact == "marker":
            found.markers.append(building.marker(plan, values, self.rows, row))
            found.marker_rows.append(row)
        elif rule.fact == "message":
            self._message(row, plan, values)
        if self.rows.signal == "traces":
            self.links_of[row] = (plan, values)

    def _history(self, row: int, plan: Plan, values: list[Any]) -> list[messages.Message]:
        """The messages of a model call. A call that names no session and has no parent gets one from them."""
        if plan.rule.messages == "numbered":
            attributes = self.rows.attributes.row(row)
            history = messages.from_numbered(attributes)
            reply = messages.from_numbered(attributes, "gen_ai.completion.")
        else:
            history = messages.from_parts(values[_INPUT_MESSAGES] or "")
            reply = [] if history else messages.from_parts(values[_OUTPUT_MESSAGES] or "")
        if not values[building.SESSION] and not self.rows.parent_id[row]:
            values[building.SESSION] = messages.conversation(self.rows.service[row], history, reply)
        return history

    def _message(self, row: int, plan: Plan, values: list[Any]) -> None:
        """Collect a history that is sent as one log event a message, by the span that sent it."""
        at = (self.rows.trace_id[row], self.rows.span_id[row])
        history = self._histories.setdefault(at, [])
        if len(history) < messages.MAX_MESSAGES:
            content = values[_CONTENT]
            event = self.rows.attributes.row(row).get("event.name") or self.rows.event[row]
            history.append(messages.from_event(event, content if isinstance(content, str) else ""))
            self._last[at] = (row, plan, values)

    def _exchanges(self, row: int, plan: Plan, values: list[Any], exchanges: list[messages.Exchange]) -> None:
        """Tool calls that stand in messages; the call ended before the request that tells of it began."""
        for one in exchanges:
            told: list[Any] = [""] * len(SLOTS["tool_call"])
            for slot in (building.SESSION, building.TURN, building.AGENT, building.VERSION, building.AGENT_VERSION):
                told[slot] = values[slot]
            for slot, name in zip(
                (building.ROUND, building.CALL, building.TOOL), (one.round_id, one.call_id, one.name), strict=True
            ):
                told[slot] = name[:MAX_NAME_CHARS]
            told[building.ARGUMENTS], told[building.RESULT] = shown(one.arguments), shown(one.result)
            told[building.EXIT_CODE] = exit_code(one.result or "") or ""
            call = building.tool_call(plan, told, self.rows, row, status="")
            ended = call.outcome if told[building.RESULT] is not None else "unset"
            self.found.tool_calls.append(call._replace(signal=MESSAGE, duration_ns=-1, outcome=ended))
            self.found.tool_call_rows.append(row)


def shown(text: str | None) -> str | None:
    """The text, None where a producer hid it behind a placeholder."""
    return None if text in PLACEHOLDERS else text
