"""`telltale worker`: the stream of a fleet."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.options import EPILOG, process_options, run_process

HELP: Final = """\
Read OpenTelemetry data from Kafka, store it in ClickHouse, find loops, regressions and spikes, print a line for each
finding. Workers of one group share the partitions; when one comes or goes, partitions and the states of detectors
follow.

\b
Examples:
  telltale worker --kafka kafka://kafka-0:9092,kafka-1:9092 --clickhouse http://telltale@clickhouse:8123/telltale
  telltale worker --kafka kafka://kafka:9092 --clickhouse http://clickhouse:8123 --instance worker-0
  telltale worker --kafka kafka://kafka:9092 --clickhouse http://clickhouse:8123 --set create_topics=1

Topics and tables have to be there: telltale migrate prepares them. With --instance the partitions of a worker that is
killed wait for it to come back (10 s, kafka_session_timeout_s); without, they move to others as soon as it stops.
"""


@click.command(help=HELP, epilog=EPILOG)
@process_options("kafka", "clickhouse", "group", "instance", "metrics")
def worker(ready_file: Any, config: Any, assignments: tuple[str, ...], **flags: Any) -> None:
    """See HELP."""
    run_process(frozenset({"worker"}), ready_file, config, assignments, flags)
