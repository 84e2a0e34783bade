"""Resource and scope: told once in a request, stored with every record. Kept once, repeated by Arrow's `take`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.decode.arrays import Index, attribute_maps
from pipeline.decode.values import text

# messages of opentelemetry-proto carry no types of their own
Attributes = Sequence[Any]


class AttributeColumn:
    """A column of attribute maps while it is read."""

    __slots__ = ("counts", "keys", "values")

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.keys: list[str] = []
        self.values: list[str] = []

    def add(self, rows: Iterable[Attributes]) -> None:
        """Append one map for each list of KeyValue."""
        rows = list(rows)
        self.counts += map(len, rows)
        attributes = list(chain.from_iterable(rows))
        self.keys += [attribute.key for attribute in attributes]
        values = [attribute.value for attribute in attributes]
        # most values are text: asking which kind a value is costs more than reading it
        self.values += [value.string_value or text(value) for value in values]

    def array(self) -> pa.Array:
        """The maps."""
        return attribute_maps(self.counts, self.keys, self.values)

    def lists(self) -> tuple[list[Any], ...]:
        """Every list of the column, for rolling back."""
        return (self.counts, self.keys, self.values)


class Scopes:
    """Resources and scopes of many messages, and which scope each run of records belongs to."""

    __slots__ = (
        "attributes", "dropped", "names", "records", "resource_attributes", "resource_of_scope",
        "resource_schemas", "schemas", "services", "versions",
    )  # fmt: skip

    def __init__(self) -> None:
        self.services: list[str] = []
        self.resource_schemas: list[str] = []
        self.resource_attributes = AttributeColumn()
        self.resource_of_scope: list[int] = []
        self.names: list[str] = []
        self.versions: list[str] = []
        self.attributes = AttributeColumn()
        self.dropped: list[int] = []
        self.schemas: list[str] = []
        self.records: list[int] = []
        """How many records each scope has."""

    def add_resource(self, resource: Any, schema_url: str) -> int:
        """Append a resource; gives the bytes that it adds to each of its records."""
        column = self.resource_attributes
        first = len(column.keys)
        column.add([resource.attributes])
        keys, values = column.keys[first:], column.values[first:]
        self.services.append(values[keys.index("service.name")] if "service.name" in keys else "")
        self.resource_schemas.append(schema_url)
        return len(schema_url) + sum(map(len, keys)) + sum(map(len, values))

    def add_scope(self, scope: Any, schema_url: str, records: int) -> int:
        """Append a scope of the latest resource; gives the bytes that it adds to each of its records."""
        column = self.attributes
        first = len(column.keys)
        column.add([scope.attributes])
        self.resource_of_scope.append(len(self.services) - 1)
        self.names.append(scope.name)
        self.versions.append(scope.version)
        self.dropped.append(scope.dropped_attributes_count)
        self.schemas.append(schema_url)
        self.records.append(records)
        size = len(scope.name) + len(scope.version) + len(schema_url)
        return size + sum(map(len, column.keys[first:])) + sum(map(len, column.values[first:]))

    def lists(self) -> tuple[list[Any], ...]:
        """Every list, for rolling back."""
        return (
            self.services, self.resource_schemas, *self.resource_attributes.lists(), self.resource_of_scope,
            self.names, self.versions, *self.attributes.lists(), self.dropped, self.schemas, self.records,
        )  # fmt: skip

    def index(self) -> Index:
        """The scope of each record, where records follow scopes in order."""
        return np.repeat(np.arange(len(self.records), dtype=np.int32), self.records)

    def columns(self, scope_of_record: Index) -> dict[str, pa.Array]:
        """The columns of resource and scope, one entry for each record."""
        scopes = pa.array(scope_of_record)
        resources = pa.array(np.asarray(self.resource_of_scope, np.int32)[scope_of_record])
        return {
            "ServiceName": pa.array(self.services, pa.string()).take(resources),
            "ResourceSchemaUrl": pa.array(self.resource_schemas, pa.string()).take(resources),
            "ResourceAttributes": self.resource_attributes.array().take(resources),
            "ScopeName": pa.array(self.names, pa.string()).take(scopes),
            "ScopeVersion": pa.array(self.versions, pa.string()).take(scopes),
            "ScopeAttributes": self.attributes.array().take(scopes),
            "ScopeDroppedAttrCount": pa.array(self.dropped, pa.uint32()).take(scopes),
            "ScopeSchemaUrl": pa.array(self.schemas, pa.string()).take(scopes),
        }
