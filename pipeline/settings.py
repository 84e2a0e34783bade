"""Every setting, its unit, default and bounds. Where values come from: `settings_sources.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import platformdirs

from schemas.errors import SettingsError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

Redaction = Literal["secrets", "secrets+email", "off"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process runs with. Making one checks it; a wrong value is refused, never replaced."""

    data_dir: Path = Path(platformdirs.user_data_dir("telltale", appauthor=False))
    """Folder of the log and of the embedded store; default: the user's data folder. One process at a time."""
    broker_url: str = ""
    """Log: `local:///DIR` (one process), or a Kafka URL; default: `log` in `data_dir`."""
    store_url: str = ""
    """ClickHouse: `chdb:///DIR` (embedded), or `clickhouse://HOST:PORT/DB`; default: `store` in `data_dir`."""
    partitions: int = 1
    """Partitions of each topic that is created; 1 is right for one machine. Never changed afterwards."""
    otlp_grpc: str = "127.0.0.1:4317"
    """HOST:PORT of OTLP over gRPC; port 0: any free one."""
    otlp_http: str = "127.0.0.1:4318"
    """HOST:PORT of OTLP over HTTP; port 0: any free one."""
    api: str = "127.0.0.1:4320"
    """HOST:PORT of the API and of `/metrics`; port 0: any free one."""
    max_request_bytes: int = 16 * MIB
    """Bytes of one OTLP request as sent (compressed); a larger one is refused. Default 16 MiB."""
    max_decompressed_bytes: int = 64 * MIB
    """Bytes of one OTLP request once decompressed; a larger one is refused. Default 64 MiB."""
    log_max_bytes: int = 2 * GIB
    """Bytes that the local log may hold while messages wait; beyond, senders are told to wait. Default 2 GiB."""
    findings_log_records: int = 10_000
    """Newest messages of the findings topic that the log keeps, read or not."""
    batch_messages: int = 40
    """Requests that are decoded and stored together, at most."""
    batch_bytes: int = 8 * MIB
    """Bytes of requests that are decoded and stored together; one larger request goes alone. Default 8 MiB."""
    batch_linger_s: float = 0.15
    """Seconds that the first request of a batch waits for others, at most."""
    flush_messages: int = 100
    """Messages that a keyed stage folds before it stores its states, at most."""
    flush_s: float = 0.2
    """Seconds until a keyed stage stores its states, at most."""
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
    redaction: Redaction = "secrets"
    """What is removed before anything is stored: `secrets`, `secrets+email`, or `off`."""
    ttl_days: int = 30
    """Days that telemetry is kept in the store."""
    findings_ttl_days: int = 365
    """Days that findings are kept in the store."""

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


BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "partitions": (1, 1_024),
    "max_request_bytes": (64 * KIB, GIB),
    "max_decompressed_bytes": (64 * KIB, GIB),
    "log_max_bytes": (16 * MIB, 1_024 * GIB),
    "findings_log_records": (1, 10_000_000),
    "batch_messages": (1, 10_000),
    "batch_bytes": (64 * KIB, GIB),
    "batch_linger_s": (0.001, 60),
    "flush_messages": (1, 100_000),
    "flush_s": (0.001, 60),
    "max_keys": (100, 100_000_000),
    "max_series": (1, 1_000_000),
    "resolver_wait_s": (0, 3_600),
    "trace_expire_s": (1, 864_000),
    "session_expire_s": (60, 8_640_000),
    "watchdog_s": (0, 86_400),
    "ttl_days": (1, 36_500),
    "findings_ttl_days": (1, 36_500),
}
"""Field -> least and greatest value."""

_ADDRESS: Final = (r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}", "write HOST:PORT, such as 127.0.0.1:4318")
SHAPES: Final[dict[str, tuple[str, str]]] = {
    "broker_url": (r"(local|kafka|aiokafka)://.+", "write local:///DIR or kafka://HOST:PORT"),
    "store_url": (r"(chdb|clickhouse|clickhouses|http|https)://.+", "write chdb:///DIR or clickhouse://HOST:PORT/DB"),
    "otlp_grpc": _ADDRESS,
    "otlp_http": _ADDRESS,
    "api": _ADDRESS,
    "redaction": (r"secrets|secrets\+email|off", "write secrets, secrets+email or off"),
}
"""Text field -> the pattern it has to match and the repair."""
