"""Reports as text for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from cli import render
from cli.checking.report import Report, verdict
from cli.render import cut, number, table
from schemas.printable import printable_json


def as_json_text(reports: Sequence[Report]) -> str:
    """One document."""
    problems = sum(len(one.problems) for one in reports)
    document = {"verdict": verdict(reports), "problems": problems, "parts": [one.as_json() for one in reports]}
    return printable_json(document).decode()


def lines(reports: Sequence[Report]) -> list[str]:
    """What was found in a few lines, then what is wrong."""
    shown: list[str] = []
    for one in reports:
        told = _SHOWN[one.part](one.facts) if one.reached else ("not reached",)
        said = [cut(line, 200) for line in told]
        shown += [f"{one.part:11} {said[0] if said else ''}".rstrip(), *(f"{'':11} {line}" for line in said[1:])]
    shown += [f"note: {one.part}: {cut(note, 300)}" for one in reports for note in one.notes]
    wrong = [(one.part, problem) for one in reports for problem in one.problems]
    shown.append("")
    for part, problem in wrong:
        shown.append(f"WRONG {part}: {cut(problem.what, 600)}")
        if problem.repair:
            shown.append(f"      mend: {cut(problem.repair, 400)}")
    verb = "is" if len(wrong) <= 1 else "are"
    return [*shown, f"{_count(len(wrong), 'thing') if wrong else 'nothing'} {verb} wrong"]


def _count(number_of: int, what: str) -> str:
    return f"{number_of} {what}" if number_of == 1 else f"{number_of} {what}s"


Facts = dict[str, Any]


def _own(facts: Facts) -> Iterator[str]:
    rules = f", {facts['rules']} rules" if "rules" in facts else ""
    yield f"{facts['version']}, Python {facts['python']}{rules}"


def _kafka(facts: Facts) -> Iterator[str]:
    like = f", speaks as Kafka {facts['like']}" if facts.get("like") else ""
    yield f"{', '.join(facts['servers'])} ({facts['security']}){like}, {_count(len(facts['brokers']), 'broker')}"
    group = facts["group"]
    workers = f"{group['state'] or 'unknown'}, {_count(len(group['workers']), 'worker')}"
    yield f"group {group['name']}: {workers}, {facts['lag_messages']:,} messages wait"
    rows = [_topic_row(name, topic, facts["partitions"]) for name, topic in facts["topics"].items()]
    if rows:
        yield from table(("topic", "partitions", "replicas", "lag", "in/s", "done/s"), rows)


def _topic_row(name: str, topic: Facts, partitions: Sequence[Facts]) -> list[object]:
    ones = [one for one in partitions if one["topic"] == name]
    sums = [round(sum(one[key] for one in ones), 1) if ones else None for key in ("lag", "in_per_s", "done_per_s")]
    return [name, topic["partitions"], topic["replicas"], *sums]


def _clickhouse(facts: Facts) -> Iterator[str]:
    yield f"{facts['url']}, ClickHouse {facts['version']}"
    yield from _store(facts)


def _store(facts: Facts) -> Iterator[str]:
    steps, tables = facts["migrations"], facts["tables"]
    rows = sum(one["rows"] for one in tables.values())
    size = sum(one["bytes"] for one in tables.values()) / 2**20
    last = f"the last is {steps[-1]['number']}" if steps else "none"
    yield f"migrations: {last}; {len(tables)} tables hold {rows:,} rows, {size:,.1f} MiB"
    if facts["newest_span_stored_s_ago"] is not None:
        yield f"the newest span was stored {facts['newest_span_stored_s_ago']:,} s ago"


def _local(facts: Facts) -> Iterator[str]:
    yield f"{facts['folder']}" + (f", process {facts['pid']}" if facts.get("pid") else "")
    if "log" in facts:
        yield f"log: {facts['log']['bytes'] / 2**20:,.1f} MiB of at most {facts['log']['max_bytes'] / 2**20:,.0f} MiB"
    if "store" in facts:
        yield f"store: ClickHouse {facts['store']['version']}"
        yield from _store(facts["store"])
    if "process" in facts:
        yield from _process(facts["process"])


def _workers(facts: Facts) -> Iterator[str]:
    for one in facts["processes"]:
        yield from _process(one)


def _process(one: Facts) -> Iterator[str]:
    ago = one["watermark_s_ago"]
    judged = "nothing judged yet" if ago is None else f"judged up to {ago:,} s ago"
    rate = sum(part["done_per_s"] or 0 for part in one["partitions"])
    yield (
        f"{one['address']}: Telltale {render.cut(one['version'], 40)}, {len(one['partitions'])} partitions, "
        f"{number(one['lag_messages'])} messages wait, {rate:,.1f} a second done, {judged}"
    )


_SHOWN: Final[dict[str, Callable[[Facts], Iterator[str]]]] = {
    "telltale": _own,
    "kafka": _kafka,
    "clickhouse": _clickhouse,
    "local": _local,
    "workers": _workers,
}
