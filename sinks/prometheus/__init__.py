"""Prometheus: slices, findings and pipeline happenings as metrics in memory, rendered on request."""

from sinks.prometheus.metrics import PrometheusMetrics

__all__ = ["PrometheusMetrics"]
