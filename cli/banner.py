"""What `telltale up` prints when it listens: where to point which agent. The lines are data."""

from __future__ import annotations

from typing import Final, NamedTuple


class Producer(NamedTuple):
    """How one agent is told where to send."""

    name: str
    where: str
    lines: tuple[str, ...]
    """With `{http}` and `{grpc}`, HOST:PORT."""


PRODUCERS: Final = (
    Producer(
        "Claude Code",
        "environment",
        (
            "export CLAUDE_CODE_ENABLE_TELEMETRY=1 OTEL_LOGS_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp",
            "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT=http://{http}",
            "export OTEL_LOG_TOOL_DETAILS=1   # arguments of tool calls: loops are told apart exactly",
        ),
    ),
    Producer(
        "Codex",
        "~/.codex/config.toml",
        (
            "[otel]",
            'exporter = {{ otlp-http = {{ endpoint = "http://{http}/v1/logs", protocol = "binary" }} }}',
            'trace_exporter = {{ otlp-http = {{ endpoint = "http://{http}/v1/traces", protocol = "binary" }} }}',
            'metrics_exporter = {{ otlp-http = {{ endpoint = "http://{http}/v1/metrics", protocol = "binary" }} }}',
        ),
    ),
    Producer(
        "Gemini CLI",
        "~/.gemini/settings.json",
        (
            '"telemetry": {{"enabled": true, "target": "local", "otlpProtocol": "grpc",',
            '              "otlpEndpoint": "http://{grpc}"}}',
        ),
    ),
    Producer(
        "anything else with OpenTelemetry",
        "environment",
        ("export OTEL_EXPORTER_OTLP_ENDPOINT=http://{grpc} OTEL_EXPORTER_OTLP_PROTOCOL=grpc",),
    ),
)


def banner(otlp_grpc: str, otlp_http: str, api: str, data_dir: str) -> list[str]:
    """The lines, for addresses as HOST:PORT."""
    lines = [f"telltale is up: OTLP/gRPC {otlp_grpc}, OTLP/HTTP {otlp_http}, API http://{api}, data in {data_dir}", ""]
    for producer in PRODUCERS:
        lines.append(f"{producer.name} ({producer.where}):")
        lines += [f"    {line.format(http=otlp_http, grpc=otlp_grpc)}" for line in producer.lines]
    return [*lines, "", "Findings appear here as they are made; Ctrl-C stops."]
