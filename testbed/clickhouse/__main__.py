"""Run the server in the foreground.

python -m testbed.clickhouse --port 8123 --data ./clickhouse-data
python -m testbed.clickhouse --port 0 --data DIR --ready-file ready.json --user telltale --password-file secret
curl 'http://127.0.0.1:8123/?query=SELECT+version()'
curl http://127.0.0.1:8123/faults --data '[{"kind": "slow", "delay_s": 2}]'      ill; '[]' makes it well again
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import ssl
from pathlib import Path

from testbed.clickhouse.engine import Engine
from testbed.clickhouse.server import Server


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.clickhouse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8123, help="on 127.0.0.1; 0 = any free one  [default: 8123]")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--ready-file", type=Path, help="JSON with url, port and pid, written once it listens")
    parser.add_argument("--user", help="who may ask; without it anybody may")
    parser.add_argument("--password-file", type=Path, help="holds the user's password")
    parser.add_argument("--tls-cert", type=Path, help="certificate, PEM: speaks HTTPS")
    parser.add_argument("--tls-key", type=Path, help="its key, PEM")
    parser.add_argument("--drain", action="store_true", help="throw the rows of inserts away (for benchmarks)")
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    engine = Engine(options.data, drain=options.drain)
    password = options.password_file.read_text().strip() if options.password_file else ""
    user = (options.user, password) if options.user else None
    server = Server(engine, options.port, user, _tls(options.tls_cert, options.tls_key))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.close())
    url = f"http{'s' if options.tls_cert else ''}://127.0.0.1:{server.port}"
    if options.ready_file:
        unfinished = options.ready_file.with_suffix(".part")
        unfinished.write_text(json.dumps({"url": url, "port": server.port, "pid": os.getpid()}))
        unfinished.replace(options.ready_file)
    print(f"ClickHouse's HTTP interface over chDB: {url}", flush=True)
    server.serve()
    engine.close()


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


if __name__ == "__main__":
    main()
