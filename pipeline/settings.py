"""Every setting, its unit, default and bounds. Where values come from: `settings_sources.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import platformdirs

from schemas.columns import RetentionDays
from schemas.errors import SettingsError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

Redaction = Literal["secrets", "secrets+email", "off"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process runs with. Making one checks it; a wrong value is refused, never replaced."""

    data_dir: Path = Path(platformdirs.user_data_dir("telltale", appauthor=False))
    """Folder of the log and of the embedded store; default: the user's data folder. One process at a time."""
    broker_url: str = ""
    """Log: `local:///DIR` (one process), or `kafka://HOST:PORT,HOST:PORT`; default: `log` in `data_dir`."""
    store_url: str = ""
    """ClickHouse: `chdb:///DIR` (embedded), or `http(s)://USER@HOST:PORT/DB`; default: `store` in `data_dir`."""
    partitions: int = 1
    """Partitions of each topic that is created; 1 is right for one machine. Never changed afterwards."""
    otlp_grpc: str = "127.0.0.1:4317"
    """HOST:PORT of OTLP over gRPC; port 0: any free one."""
    otlp_http: str = "127.0.0.1:4318"
    """HOST:PORT of OTLP over HTTP; port 0: any free one."""
    api: str = "127.0.0.1:4320"
    """HOST:PORT of the API and of `/metrics`; port 0: any free one. Beyond loopback it needs tokens."""
    api_tokens_file: str = ""
    """File of the API's tokens, a line each: `read TOKEN` or `write TOKEN`; with it no question goes without one."""
    api_per_second: float = 200.0
    """Questions a second that one token, or one address, may ask of the API; 0: any number."""
    metrics: str = "127.0.0.1:4321"
    """HOST:PORT of `/metrics` and `/healthz` of a receiver or worker that runs apart; port 0: any free one."""
    max_request_bytes: int = 16 * MIB
    """Bytes of one OTLP request as sent (compressed); a larger one is refused. Default 16 MiB."""
    max_decompressed_bytes: int = 64 * MIB
    """Bytes of one OTLP request once decompressed; a larger one is refused. Default 64 MiB."""
    log_max_bytes: int = 2 * GIB
    """Bytes that the local log may hold while messages wait; beyond, senders are told to wait. Default 2 GiB."""
    findings_log_records: int = 10_000
    """Newest messages of the findings topic that the log keeps, read or not."""
    batch_messages: int = 1_000
    """Requests that are decoded and stored together, at most; many are small, and a backlog of them goes sooner."""
    batch_bytes: int = 8 * MIB
    """Bytes of requests that are decoded and stored together; one larger request goes alone. Default 8 MiB."""
    batch_linger_s: float = 0.15
    """Seconds that the first request of a batch waits for others, at most."""
    flush_s: float = 0.2
    """Seconds until a keyed stage sends on what it found, at most."""
    store_messages: int = 100
    """Messages that a keyed stage folds before it stores its states, at most."""
    store_s: float = 5.0
    """Seconds until a keyed stage stores its states, at most. After a crash so much is folded again."""
    max_keys: int = 100_000
    """Sessions, series or traces that a stage remembers in one partition; the longest untouched goes first."""
    max_series: int = 2_000
    """Series told apart by one process; what comes beyond counts as `other`."""
    resolver_wait_s: float = 2.0
    """Seconds of event time that a call without a session waits for an ancestor with one."""
    trace_expire_s: float = 1_800.0
    """Seconds of event time after which a silent trace's links are forgotten: later ones join nothing."""
    session_expire_s: float = 3_600.0
    """Seconds of event time after which a silent session is over and forgotten. Default 1 hour."""
    watchdog_s: float = 30.0
    """Seconds without progress, while messages wait, after which the process ends itself; 0: never."""
    dead_letter_limit: int = 100
    """Kafka: dead letters among the last 1,000 messages of a partition; beyond, the worker stops. 0: any number."""
    redaction: Redaction = "secrets"
    """What is removed before anything is stored: `secrets`, `secrets+email`, or `off`."""
    rules_dir: str = ""
    """Folder of rules (*.toml); default: those that come with Telltale. Read again when one changes, or at SIGHUP."""
    tools_file: str = ""
    """TOML file that says which of your tools change things, poll or acknowledge; see docs/tools.md."""
    prices_file: str = ""
    """TOML file of your own prices of models, over those that come with Telltale; `off`: no cost is estimated."""
    ttl_days: int = 30
    """Days that telemetry is kept in the store."""
    findings_ttl_days: int = 365
    """Days that findings are kept in the store."""
    group: str = "telltale"
    """Kafka: the consumer group; workers of one group share the work, and topics with states are named after it."""
    instance: str = ""
    """Kafka: a name for this worker that stays over restarts (static membership): its partitions wait for it."""
    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    """Kafka: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`, as the brokers' listener has it."""
    kafka_sasl_mechanism: SaslMechanism = "SCRAM-SHA-512"
    """Kafka: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."""
    kafka_username: str = ""
    """Kafka: user of SASL."""
    kafka_password: str = ""
    """Kafka: password of SASL; from a variable or a file, never on a command line, where everybody can read it."""
    kafka_password_file: str = ""
    """Kafka: a file that holds the password of SASL."""
    kafka_tls_ca_file: str = ""
    """Kafka: certificates (PEM) that sign the brokers'; default: those of the system."""
    kafka_tls_cert_file: str = ""
    """Kafka: our own certificate (PEM), where brokers ask for one."""
    kafka_tls_key_file: str = ""
    """Kafka: the key of our own certificate (PEM)."""
    kafka_compression: Compression = "zstd"
    """Kafka: how the receiver compresses requests: `none`, `gzip`, `snappy`, `lz4` or `zstd`."""
    kafka_max_message_bytes: int = 16 * MIB
    """Kafka: bytes of the largest message; topics that we create allow it, others must. Default 16 MiB."""
    kafka_buffer_bytes: int = 64 * MIB
    """Kafka: bytes of requests that the receiver holds until brokers have them; beyond, senders are told to wait."""
    kafka_session_timeout_s: float = 10.0
    """Kafka: seconds without a sign of life after which a worker's partitions go to others."""
    kafka_replication: int = 1
    """Kafka: replicas of each topic that is created."""
    create_topics: int = 0
    """Kafka: 1: a worker creates missing topics when it starts; 0: it says which are missing."""
    create_tables: int = 0
    """ClickHouse server: 1: a worker creates tables and migrates them when it starts; 0: it says what is missing."""
    notify_file: str = ""
    """TOML file with `[[webhook]]` and `[alertmanager]`: who is told of findings; see docs/feed.md."""
    webhook_url: str = ""
    """One webhook without a file: `https://HOST/PATH` that findings are posted to, under the name `default`."""
    webhook_secret: str = field(default="", repr=False)
    """Signs what is posted to `webhook_url`; at least 16 characters, such as `openssl rand -hex 32` prints."""
    alertmanager_url: str = ""
    """Alertmanager without a file: `http://HOST:PORT` whose API v2 is told of open findings."""
    notify_min_severity: str = "warning"
    """Of `webhook_url` and `alertmanager_url`: the least severity that is told; `suspect`, `warning`, `critical`."""

    def __post_init__(self) -> None:
        """Fill what depends on the data folder, and refuse what is out of bounds."""
        data_dir = Path(self.data_dir).expanduser().absolute()
        object.__setattr__(self, "data_dir", data_dir)
        if not self.broker_url:
            object.__setattr__(self, "broker_url", f"local://{quote(str(data_dir / 'log'))}")
        if not self.store_url:
            object.__setattr__(self, "store_url", f"chdb://{data_dir / 'store'}")
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsError(f"{name} = {value}: must be from {low:g} to {high:g}")
        for name, (pattern, repair) in SHAPES.items():
            value = getattr(self, name)
            if re.fullmatch(pattern, value) is None:
                raise SettingsError(f"{name} = {value!r}: {repair}")
        if self.max_decompressed_bytes < self.max_request_bytes:
            raise SettingsError("max_decompressed_bytes is less than max_request_bytes: raise it, or lower the other")

    @property
    def retention(self) -> RetentionDays:
        """How long the store keeps rows."""
        return RetentionDays(telemetry=self.ttl_days, series=self.findings_ttl_days)


BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "partitions": (1, 1_024),
    "max_request_bytes": (64 * KIB, GIB),
    "max_decompressed_bytes": (64 * KIB, GIB),
    "log_max_bytes": (16 * MIB, 1_024 * GIB),
    "findings_log_records": (1, 10_000_000),
    "batch_messages": (1, 10_000),
    "batch_bytes": (64 * KIB, GIB),
    "batch_linger_s": (0.001, 60),
    "flush_s": (0.001, 60),
    "store_messages": (1, 100_000),
    "store_s": (0.001, 60),
    "max_keys": (100, 100_000_000),
    "max_series": (1, 1_000_000),
    "resolver_wait_s": (0, 3_600),
    "trace_expire_s": (1, 864_000),
    "session_expire_s": (60, 8_640_000),
    "watchdog_s": (0, 86_400),
    "dead_letter_limit": (0, 1_000),
    "ttl_days": (1, 36_500),
    "findings_ttl_days": (1, 36_500),
    "kafka_max_message_bytes": (64 * KIB, GIB),
    "kafka_buffer_bytes": (MIB, 64 * GIB),
    "kafka_session_timeout_s": (6, 300),
    "kafka_replication": (1, 100),
    "api_per_second": (0, 1_000_000),
    "create_topics": (0, 1),
    "create_tables": (0, 1),
}
"""Field -> least and greatest value."""

_ADDRESS: Final = (r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}", "write HOST:PORT, such as 127.0.0.1:4318")
_ANY: Final = (r"[\s\S]*", "")
SHAPES: Final[dict[str, tuple[str, str]]] = {
    "rules_dir": _ANY,
    "tools_file": _ANY,
    "prices_file": _ANY,
    "broker_url": (
        r"local://.+|kafka://[A-Za-z0-9._\[\]:-]+(,[A-Za-z0-9._\[\]:-]+)*/?",
        "write local:///DIR or kafka://HOST:PORT,HOST:PORT (users and passwords: kafka_username, kafka_password_file)",
    ),
    "store_url": (r"(chdb|clickhouse|clickhouses|http|https)://.+", "write chdb:///DIR or http(s)://USER@HOST:PORT/DB"),
    "otlp_grpc": _ADDRESS,
    "otlp_http": _ADDRESS,
    "api": _ADDRESS,
    "api_tokens_file": _ANY,
    "metrics": _ADDRESS,
    "webhook_url": (r"|https?://\S+", "write https://HOST/PATH"),
    "alertmanager_url": (r"|https?://\S+", "write http://HOST:PORT"),
    "notify_min_severity": (r"suspect|warning|critical", "write suspect, warning or critical"),
    "redaction": (r"secrets|secrets\+email|off", "write secrets, secrets+email or off"),
    "group": (r"[A-Za-z0-9._-]{1,80}", "write letters, digits, dots, - and _"),
    "instance": (r"[A-Za-z0-9._-]{0,200}", "write letters, digits, dots, - and _"),
    "kafka_security_protocol": (r"(SASL_)?(PLAINTEXT|SSL)", "write PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    "kafka_sasl_mechanism": (r"PLAIN|SCRAM-SHA-(256|512)", "write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
    "kafka_username": _ANY,
    "notify_file": _ANY,
    "webhook_secret": _ANY,
    "kafka_password": _ANY,
    "kafka_password_file": _ANY,
    "kafka_tls_ca_file": _ANY,
    "kafka_tls_cert_file": _ANY,
    "kafka_tls_key_file": _ANY,
    "kafka_compression": (r"none|gzip|snappy|lz4|zstd", "write none, gzip, snappy, lz4 or zstd"),
}
"""Text field -> the pattern it has to match and the repair."""
