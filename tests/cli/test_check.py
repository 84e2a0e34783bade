"""`telltale check` on one machine, its bound in time, and how it judges a group of workers."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.checking.bounded import look_at
from cli.checking.exposed import read
from cli.checking.kafka_group import judge_group, paces
from cli.checking.report import Problem, Report, verdict
from cli.checking.shown import lines
from pipeline.settings import Settings
from pipeline.transport.kafka_survey import Cluster, Member, PartitionFound, TopicFound
from tests.cli.conftest import Run
from tests.cli.test_up import up, wait_until

__all__ = ["up"]  # the fixture


async def fine() -> Report:
    return Report("fine", {"seen": 1})


def test_a_look_that_never_ends_is_given_up_and_hides_no_other() -> None:
    released = threading.Event()

    async def stuck() -> Report:
        released.wait()
        return Report("stuck")

    async def broken() -> Report:
        raise LookupError("oops")

    try:
        reports, given_up = look_at({"stuck": stuck, "broken": broken, "fine": fine}, 0.5)
    finally:
        released.set()
    assert given_up
    assert [one.part for one in reports] == ["stuck", "broken", "fine"]
    assert [one.verdict for one in reports] == ["unknown", "unknown", "fine"]
    assert "no answer within 0.5 s" in reports[0].problems[0].what
    assert "oops" in reports[1].problems[0].what
    assert not look_at({"fine": fine}, 30)[1]


def test_not_to_know_weighs_more_than_to_know_that_something_is_wrong() -> None:
    wrong, unknown = Report("a", problems=[Problem("x")]), Report("b", reached=False)
    assert [verdict(one) for one in ([], [Report("c")], [Report("c"), wrong], [wrong, unknown])] == [
        "fine",
        "fine",
        "wrong",
        "unknown",
    ]


def judged(before: list[PartitionFound], after: list[PartitionFound], workers: int = 1) -> list[str]:
    """What is wrong with a group that moved so in ten seconds."""
    topics = {one.topic: TopicFound(2, 1, 1, (), {}) for one in after}
    members = tuple(Member("telltale", "10.0.0.1") for _ in range(workers))
    cluster = Cluster({1: "b:9092"}, 1, topics, "Stable" if workers else "Empty", members, tuple(before), {})
    report = Report("kafka")
    judge_group(report, Settings(broker_url="kafka://b:9092"), cluster, paces(before, after, 10.0))
    return [one.what for one in report.problems]


def at(end: int, committed: int | None, first: int = 0, partition: int = 0) -> PartitionFound:
    return PartitionFound("otlp_spans", partition, first, end, committed)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param(at(100, 100), at(200, 200), "", id="all that comes goes"),
        pytest.param(at(100, 50), at(200, 160), "", id="catching up is fine"),
        pytest.param(at(100, 100), at(105, 100), "", id="what has only just come waits for nobody"),
        pytest.param(at(100, 50), at(200, 140), "", id="a lag of some seconds is a peak"),
        pytest.param(
            at(1000, 0), at(1100, 10), "falls behind: 1,090 messages wait, 10 a second come and 1 go", id="slow"
        ),
        pytest.param(at(1000, 900), at(1000, 900), "100 messages wait and none was taken", id="stuck"),
        pytest.param(at(90, None), at(90, None), "90 messages wait and none was taken", id="never committed"),
        pytest.param(at(90, 10, 50), at(90, 90, 50), "", id="behind the beginning, then done"),
        pytest.param(at(90, 10, 50), at(90, 10, 50), "offsets 10 to 49 were deleted before", id="deleted unread"),
        pytest.param(at(5, 90), at(5, 90), "is at offset 90, and the log ends at 5", id="made anew"),
    ],
)
def test_a_group_is_judged_by_how_it_moves(before: PartitionFound, after: PartitionFound, says: str) -> None:
    told = judged([before], [after])
    assert (says in told[0]) if says else told == []


def test_without_a_worker_the_lag_is_no_second_problem() -> None:
    assert judged([at(9, 0)], [at(9, 0)], workers=0) == ["no worker is in group telltale: what arrives waits"]


def test_a_folder_of_which_nothing_is_known_is_not_made(run: Run, tmp_path: Path) -> None:
    done = run("check", "--data", str(tmp_path / "none"), "--api", "127.0.0.1:1", "--json", "--sample", "0.1")
    (own, local) = json.loads(done.stdout)["parts"]
    assert (done.returncode, own["verdict"], local["verdict"]) == (1, "fine", "wrong"), done.stderr
    assert "nothing was ever stored" in local["problems"][0]["what"]
    assert not (tmp_path / "none").exists()


def test_one_machine_is_asked_through_its_process(up: Any, run: Run) -> None:
    process, ready = up
    data = str(Path(process.args[3]))
    arguments = ("check", "--data", data, "--sample", "1.2")
    wait_until(lambda: b"telltale_partition_lag" in httpx.get(f"http://{ready['api']}/metrics").content)
    asked = run(*arguments, "--api", ready["api"], "--worker", ready["api"], "--json")
    answer = json.loads(asked.stdout)
    assert (asked.returncode, answer["verdict"]) == (0, "fine"), asked.stdout
    _, local, workers = answer["parts"]
    assert local["facts"]["pid"] == process.pid
    assert local["facts"]["process"]["address"] == ready["api"]
    told = workers["facts"]["processes"][0]
    assert {one["topic"] for one in told["partitions"]} >= {"otlp_spans", "telltale.calls", "telltale.findings"}
    elsewhere = run(*arguments, "--api", "127.0.0.1:1")
    assert elsewhere.returncode == 2
    assert "name its --api" in elsewhere.stdout
    process.terminate()
    process.wait(60)
    stopped = run(*arguments, "--api", ready["api"])
    assert stopped.returncode == 1
    assert f"telltale up --data {data}" in stopped.stdout
    assert "migrations: the last is" in stopped.stdout


def test_an_exposition_of_something_else_is_no_telltale() -> None:
    with pytest.raises(ValueError, match="no version"):
        read("# TYPE up gauge\nup 1\n")
    with pytest.raises(ValueError, match=r".+"):
        read("<html>")


def test_what_strangers_wrote_cannot_steer_the_terminal() -> None:
    report = Report("workers", {"processes": []}, [Problem("a\x1b[31m", "b\nc")], ["d\x07"])
    shown = "\n".join(lines([report]))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "b\\nc" in shown
