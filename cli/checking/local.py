"""The part of one machine: the folder of `telltale up`, and the process that has it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError
from yarl import URL

from cli.checking import clickhouse
from cli.checking.exposed import NotExposedError, twice
from cli.checking.report import Report
from pipeline.settings import Settings
from pipeline.transport.filelock import holder
from pipeline.transport.kafka import is_kafka
from pipeline.transport.local import directory_of
from pipeline.transport.log import FILE_NAME
from sinks.clickhouse import connect
from sinks.clickhouse.survey import survey

PART: Final = "local"


async def look(settings: Settings, sample_s: float, answer_s: float) -> Report:
    """The folder, and who works on it; raises SettingsError."""
    report = Report(PART, {"folder": str(settings.data_dir)})
    if not settings.data_dir.exists():
        report.wrong(f"there is no folder {settings.data_dir}: nothing was ever stored", "telltale up makes it")
        return report
    usage = shutil.disk_usage(settings.data_dir)
    report.facts["free_bytes"] = usage.free
    if not is_kafka(settings.broker_url):
        _judge_log(report, settings, usage.free)
    try:
        report.facts["process"] = await twice(settings.api, sample_s, answer_s)
    except NotExposedError as error:
        _judge_silence(report, settings, str(error))
    held = "process" in report.facts or report.facts.get("pid") is not None
    if settings.store_url.startswith("chdb:") and not held:
        _judge_store(report, settings)
    return report


def _judge_log(report: Report, settings: Settings, free_bytes: int) -> None:
    directory = directory_of(URL(settings.broker_url))
    file = directory / FILE_NAME
    used = sum(one.stat().st_size for one in (file, Path(f"{file}-wal")) if one.exists())
    pid = holder(directory)
    report.facts |= {
        "log": {"bytes": used, "max_bytes": settings.log_max_bytes},
        "pid": int(pid) if pid.isdigit() else None,
    }
    if free_bytes < max(0, settings.log_max_bytes - used):
        report.wrong(
            f"the disk has {free_bytes / 2**30:.1f} GiB left, the log may take {settings.log_max_bytes / 2**30:.1f}",
            "make room, or --set log_max_bytes=SIZE",
        )


def _judge_silence(report: Report, settings: Settings, why: str) -> None:
    pid = report.facts.get("pid")
    if pid is None:
        report.wrong(f"no telltale up works on {settings.data_dir}", f"telltale up --data {settings.data_dir}")
    else:
        report.reached = False
        report.wrong(
            f"process {pid} has the folder, and at {settings.api} nothing of it answers: {why}", "name its --api"
        )


def _judge_store(report: Report, settings: Settings) -> None:
    """While nobody has the store it can be opened; a folder that is not there is left so."""
    if not Path(settings.store_url.removeprefix("chdb://")).exists():
        return
    client = connect(settings.store_url)
    try:
        found = survey(client, settings.retention)
    except ClickHouseError as error:
        report.wrong(f"the store cannot be read: {error}"[:500], "restore it, or choose another folder with --data")
    else:
        store: dict[str, Any] = clickhouse.facts(found)
        report.facts["store"] = {name: value for name, value in store.items() if name != "disks"}
        clickhouse.judge(report, found._replace(disks=()))
    finally:
        client.close()
