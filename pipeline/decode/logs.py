"""Log records: an ExportLogsServiceRequest as rows of `otel_logs`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from pipeline.decode.arrays import hex_ids, table, times
from pipeline.decode.batch import Sources, check_ids, check_repeated, check_rows
from pipeline.decode.scopes import AttributeColumn, Scopes
from pipeline.decode.values import text
from schemas.tables import LOGS

FIELDS: Final = ("trace_id", "span_id", "flags", "severity_text", "severity_number", "event_name")


class LogColumns:
    """Columns of `otel_logs` while messages are read."""

    def __init__(self) -> None:
        self.scopes = Scopes()
        self.fields: dict[str, list[Any]] = {name: [] for name in FIELDS}
        self.times: list[int] = []
        self.bodies: list[str] = []
        self.attributes = AttributeColumn()

    def lists(self) -> Iterable[list[Any]]:
        """Every list that `read` appends to."""
        yield from self.fields.values()
        yield from (self.times, self.bodies)
        yield from self.scopes.lists()
        yield from self.attributes.lists()

    def read(self, request: Any) -> int:
        """Append an ExportLogsServiceRequest."""
        check_rows(sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs))
        repeated = 0
        for resource in request.resource_logs:
            size = self.scopes.add_resource(resource.resource, resource.schema_url)
            for scope in resource.scope_logs:
                records = list(scope.log_records)
                repeated += len(records) * (size + self.scopes.add_scope(scope.scope, scope.schema_url, len(records)))
                check_repeated(repeated)
                self._records(records)
        return repeated

    def _records(self, records: list[Any]) -> None:
        for name, column in self.fields.items():
            column += [getattr(record, name) for record in records]
        for name in ("trace_id", "span_id"):
            check_ids(name, self.fields[name][-len(records) :] if records else ())
        self.times += [record.time_unix_nano or record.observed_time_unix_nano for record in records]
        bodies = [record.body for record in records]
        self.bodies += [body.string_value or text(body) for body in bodies]
        self.attributes.add([record.attributes for record in records])

    @property
    def rows(self) -> int:
        """Records read so far."""
        return len(self.times)

    def tables(self, sources: Sources) -> dict[str, pa.Table]:
        """All rows read."""
        fields = self.fields
        if not self.rows:
            return {}
        columns = {
            **self.scopes.columns(self.scopes.index()),
            **sources.columns(),
            "Timestamp": times(self.times),
            "TraceId": hex_ids(fields["trace_id"]),
            "SpanId": hex_ids(fields["span_id"]),
            # both are cut to a byte, as the Collector does
            "TraceFlags": [flags & 0xFF for flags in fields["flags"]],
            "SeverityText": fields["severity_text"],
            "SeverityNumber": [number & 0xFF for number in fields["severity_number"]],
            "Body": self.bodies,
            "LogAttributes": self.attributes.array(),
            "EventName": fields["event_name"],
        }
        return {LOGS.name: table(LOGS, columns)}
