"""`telltale receiver`: the OTLP doors of a fleet."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.options import EPILOG, process_options, run_process

HELP: Final = """\
Take OTLP over gRPC and HTTP, and write it to Kafka: topics otlp_spans, otlp_logs and otlp_metrics, as the
OpenTelemetry Collector's kafka exporter does. A request is answered once all replicas in sync have it.

\b
Examples:
  telltale receiver --kafka kafka://kafka-0:9092,kafka-1:9092
  telltale receiver --kafka kafka://kafka:9093 --otlp-grpc 0.0.0.0:4317 --otlp-http 0.0.0.0:4318 \\
      --set kafka_security_protocol=SASL_SSL --set kafka_username=telltale \\
      --set kafka_password_file=/run/secrets/kafka

When Kafka is slow or down, senders are told to wait (429, RESOURCE_EXHAUSTED, or 503, UNAVAILABLE): they keep what
was not acknowledged. Receivers hold no state: run as many as you like behind a load balancer.
"""


@click.command(help=HELP, epilog=EPILOG)
@process_options("kafka", "otlp-grpc", "otlp-http", "metrics")
def receiver(ready_file: Any, config: Any, assignments: tuple[str, ...], **flags: Any) -> None:
    """See HELP."""
    run_process(frozenset({"receiver"}), ready_file, config, assignments, flags)
