"""Edges that write: ClickHouse and Prometheus."""
