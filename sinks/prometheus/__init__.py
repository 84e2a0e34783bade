"""Prometheus: what happens becomes metrics, declared in `schemas.metrics`."""

from sinks.prometheus.metrics import OpenFinding, PrometheusMetrics

__all__ = ["OpenFinding", "PrometheusMetrics"]
