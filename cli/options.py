"""The options of commands that run a process of ours, and what they all do with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cli.exits import BAD_MESSAGES, FAILED, USAGE, CliError

if TYPE_CHECKING:
    from cli.daemon import Role
    from pipeline.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

EPILOG: Final = "Exit status: 0 stopped by Ctrl-C or SIGTERM, 1 could not start or broke, 64 wrong usage."

OF_SETTINGS: Final[dict[str, Callable[[F], F]]] = {
    "data": click.option(
        "--data", "data_dir", type=click.Path(file_okay=False, path_type=Path), help="Folder of log and store."
    ),
    "kafka": click.option(
        "--kafka", "broker_url", metavar="URL", help="Kafka as the log: kafka://HOST:9092,HOST:9092."
    ),
    "clickhouse": click.option(
        "--clickhouse", "store_url", metavar="URL", help="ClickHouse as the store: http(s)://USER@HOST:8123/DB."
    ),
    "group": click.option(
        "--group", metavar="NAME", help="Kafka consumer group that shares the work  [default: telltale]"
    ),
    "instance": click.option(
        "--instance", metavar="NAME", help="A name that stays over restarts: partitions wait for it."
    ),
    "otlp-grpc": click.option("--otlp-grpc", metavar="HOST:PORT", help="OTLP over gRPC  [default: 127.0.0.1:4317]"),
    "otlp-http": click.option("--otlp-http", metavar="HOST:PORT", help="OTLP over HTTP  [default: 127.0.0.1:4318]"),
    "api": click.option("--api", metavar="HOST:PORT", help="API and /metrics  [default: 127.0.0.1:4320]"),
    "metrics": click.option("--metrics", metavar="HOST:PORT", help="/metrics, /healthz  [default: 127.0.0.1:4321]"),
}
"""Name -> the option that sets a setting."""

_READY_FILE: Final[Callable[[F], F]] = click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written once all of it works."
)
_COMMON: Final[tuple[Callable[[F], F], ...]] = (
    click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Settings as TOML."),
    click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any other setting; many times."),
)


def process_options(*names: str) -> Callable[[F], F]:
    """These options of settings, then those that every process has."""
    return _added(*(OF_SETTINGS[name] for name in names), _READY_FILE, *_COMMON)


def settings_options(*names: str) -> Callable[[F], F]:
    """These options of settings, then those by which every other one is set: for commands that end by themselves."""
    return _added(*(OF_SETTINGS[name] for name in names), *_COMMON)


def _added(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def run_process(
    roles: frozenset[Role],
    ready_file: Path | None,
    config: Path | None,
    assignments: tuple[str, ...],
    flags: dict[str, Any],
) -> None:
    """Run some roles in this process until it is stopped; raises CliError."""
    from pipeline.interpreter import prepare  # noqa: PLC0415

    prepare()
    from cli.preparing import check_ready_file, make_data_folder  # noqa: PLC0415
    from cli.serve import serve  # noqa: PLC0415 - imports the whole pipeline, which help need not wait for
    from schemas.errors import DeadLetterLimitError, SettingsError, TelltaleError  # noqa: PLC0415

    settings = settings_of(config, assignments, flags)
    if roles in _PART_OF_A_FLEET and settings.broker_url.startswith("local:"):
        raise CliError(
            f"a {' and '.join(roles)} of its own needs a log that others reach: --kafka kafka://HOST:9092",
            USAGE,
            hint="everything on one machine, without Kafka: telltale up",
        )
    try:
        check_ready_file(ready_file)
        make_data_folder(settings.data_dir, roles)
    except SettingsError as error:
        raise CliError(str(error), USAGE) from error
    try:
        serve(settings, ready_file, roles)
    except DeadLetterLimitError as error:
        raise CliError(str(error), BAD_MESSAGES) from error
    except TelltaleError as error:
        raise CliError(str(error), FAILED) from error


def settings_of(config: Path | None, assignments: tuple[str, ...], flags: dict[str, Any]) -> Settings:
    """The settings of a command; raises CliError."""
    from pipeline.settings_sources import load_settings  # noqa: PLC0415
    from schemas.errors import SettingsError  # noqa: PLC0415

    try:
        return load_settings(flags | _assigned(assignments), os.environ, config)
    except SettingsError as error:
        raise CliError(str(error), USAGE) from error


_PART_OF_A_FLEET: Final = (frozenset({"receiver"}), frozenset({"worker"}))


def _assigned(assignments: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` taken apart."""
    pairs = {}
    for one in assignments:
        name, separator, value = one.partition("=")
        if not separator:
            raise click.UsageError(f"--set {one!r}: write NAME=VALUE")
        pairs[name.strip().replace("-", "_")] = value
    return pairs
