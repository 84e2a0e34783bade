"""What is wrong with the group of workers: who is there, how far they are, whether they keep up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from cli.checking.report import Report
from pipeline.settings import Settings
from pipeline.transport.kafka_survey import Cluster, PartitionFound

FALLS_BEHIND_S: Final = 30.0
"""Seconds of input that wait, and more come than go: no passing peak."""


class Pace(NamedTuple):
    """One partition, and how it moved between two looks."""

    topic: str
    partition: int
    first: int
    committed: int | None
    end: int
    lag: int
    waited: int
    """The lag at the first look."""
    in_per_s: float
    done_per_s: float


def paces(before: Iterable[PartitionFound], after: Iterable[PartitionFound], seconds: float) -> list[Pace]:
    """What moved between two looks that lie so many seconds apart."""
    earlier = {(one.topic, one.partition): one for one in before}
    found = []
    for now in after:
        then = earlier.get((now.topic, now.partition), now)
        came = now.end - then.end
        gone = came - (now.lag - then.lag)
        rates = (came / seconds, gone / seconds) if seconds > 0 else (0.0, 0.0)
        found.append(Pace(now.topic, now.partition, now.first, now.committed, now.end, now.lag, then.lag, *rates))
    return found


def judge_group(report: Report, settings: Settings, cluster: Cluster, found: Sequence[Pace]) -> None:
    """No worker, work that nobody does, offsets that fit no log."""
    if "the consumer group" not in cluster.refused:
        _judge_members(report, settings, cluster)
    _judge_offsets(report, settings, found)
    if cluster.members:
        _judge_speed(report, cluster, found)


def _judge_members(report: Report, settings: Settings, cluster: Cluster) -> None:
    if not cluster.members:
        report.wrong(
            f"no worker is in group {settings.group}: what arrives waits",
            f"telltale worker --kafka {settings.broker_url} --clickhouse URL"
            + ("" if settings.group == "telltale" else f" --group {settings.group}"),
        )
    elif cluster.group_state != "Stable":
        report.notes.append(
            f"group {settings.group} is in state {cluster.group_state}: partitions are being shared out anew"
        )
    most = max((topic.partitions for topic in cluster.topics.values()), default=0)
    if len(cluster.members) > most > 0:
        report.notes.append(f"{len(cluster.members)} workers and at most {most} partitions a topic: some have no work")


def _judge_offsets(report: Report, settings: Settings, found: Sequence[Pace]) -> None:
    for one in found:
        where = f"{one.topic} partition {one.partition}"
        if one.committed is not None and one.committed < one.first:
            report.wrong(
                f"{where}: offsets {one.committed} to {one.first - 1} were deleted before they were processed, "
                "unless a hole is all that stood there",
                "keep more: raise retention.ms or retention.bytes of this topic; what is gone is gone",
            )
        elif one.committed is not None and one.committed > one.end:
            report.wrong(
                f"{where}: group {settings.group} is at offset {one.committed}, and the log ends at {one.end}: "
                "the topic was made anew, or lost its end",
                "stop the workers and reset the group to the earliest offset of this topic (kafka-consumer-groups.sh)",
            )


def _judge_speed(report: Report, cluster: Cluster, found: Sequence[Pace]) -> None:
    """By topic: one partition alone may be uneven for a while."""
    by_topic: dict[str, list[Pace]] = defaultdict(list)
    for one in found:
        by_topic[one.topic].append(one)
    for topic, ones in by_topic.items():
        lag = sum(one.lag for one in ones)
        came, gone = sum(one.in_per_s for one in ones), sum(one.done_per_s for one in ones)
        if lag and gone <= 0 and any(one.waited for one in ones) and cluster.group_state == "Stable":
            report.wrong(
                f"{topic}: {lag:,} messages wait and none was taken while this looked",
                "see the workers' log: a store that is down or slow holds them, and says so there",
            )
        elif came > gone and lag > FALLS_BEHIND_S * came:
            report.wrong(
                f"{topic}: falls behind: {lag:,} messages wait, {came:,.0f} a second come and {gone:,.0f} go",
                f"more workers, up to {len(ones)} (its partitions); then more partitions",
            )
