"""A small version of the published table: it fails when a number got worse beyond its interval."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from evals.bounds import median_interval, rate_interval, too_many
from evals.loops.__main__ import PUBLISHED as PUBLISHED_LOOPS
from evals.scoreboard import LOOPS, Kept, run_all
from evals.series import plan, table
from evals.series.contenders import KINDS, PUBLISHED
from evals.series.measure import NULL, ORACLE, OURS, Changed, Healthy
from evals.series.replayed import Replayed
from evals.series.worlds import SPENDING, WORLDS, Change, simulate

DOCS = Path(__file__).parents[2] / "docs"
PUBLISHED_BOARD: dict[str, Any] = json.loads((DOCS / "scoreboard.json").read_text(encoding="utf-8"))


def row(rows: str, **wanted: Any) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [r for r in PUBLISHED_BOARD[rows] if all(r[key] == value for key, value in wanted.items())]
    return found


def test_the_page_shows_the_numbers() -> None:
    page, loops = (DOCS / "scoreboard.md").read_text(encoding="utf-8").split(f"\n{LOOPS}\n")
    assert page == table.markdown(PUBLISHED_BOARD)
    for one in json.loads(PUBLISHED_LOOPS.read_text(encoding="utf-8")):
        assert f"| {one['dialect']} | " in loops
        assert f"{one['found']} of {one['loops']} | {one['false_alarms']} of {one['look_alikes']} |" in loops


def test_false_alerts_are_no_more_than_published() -> None:
    alerts = dict.fromkeys(KINDS, 0)
    tasks = [Healthy(world.name, rate, 1, 70) for world in WORLDS for rate in (2.0, 30.0)]
    for task in tasks:
        for name, number in task.run().items():
            alerts[name.split("/")[1]] += number
    for kind, number in alerts.items():
        highest = row("false_alerts", who=OURS, kind=kind, rate=0.0)["high"]
        assert not too_many(number, len(tasks), highest), f"{kind}: {number} in {len(tasks)} series-days"


@pytest.mark.parametrize("change", [c for c in plan.CHANGES if c.name != "latency x1.2"], ids=lambda c: c.name)
def test_changes_are_found_as_soon_as_published(change: Change) -> None:
    published = row("found", who=OURS, change=change.name, rate=10.0, deploy=True)
    found = [Changed(change, 10.0, 80 + seed).run()[OURS] for seed in range(7)]
    assert median_interval([one.spans for one in found])[0] <= published["p90"]


def test_what_calls_of_a_model_spend_is_judged_as_latency_is() -> None:
    for change in plan.SPENT:
        found = [Changed(change, 10.0, 80 + seed).run()[OURS] for seed in range(3)]
        assert sum(one.spans <= 2 * plan.TARGETS[change.name] for one in found) >= 2
    quiet = Healthy("sessions", 10.0, 1, 70, kinds=SPENDING).run()
    assert quiet == {f"{OURS}/{kind}": 0 for kind in SPENDING}


def test_a_run_that_was_cut_off_goes_on_and_says_how_far_it_came(tmp_path: Path) -> None:
    tasks = [Changed(plan.CHANGES[3], 60.0, seed) for seed in range(3)]
    run_all(tasks[:2], 1, Kept(tmp_path / "kept"), 60, lambda text: None)
    with (tmp_path / "kept").open("ab") as stream:
        stream.write(pickle.dumps((tasks[2], None))[:-5])
    again = Kept(tmp_path / "kept")
    assert set(again.results) == set(tasks[:2])
    run_all(tasks, 1, again, 60, lambda text: None)
    assert again.results == {task: task.run() for task in tasks}
    page = table.markdown(PUBLISHED_BOARD | {"run": {"series": 3, "planned": 1200}})
    assert "Of 1,200 planned series 3 were run" in page


def test_a_blip_does_not_stay_open() -> None:
    for blip in plan.BLIPS:
        assert not any(Changed(blip, 60.0, 90 + seed).run()[OURS].still_open for seed in range(3))


def test_end_to_end_it_is_found_and_nothing_else_is() -> None:
    assert Replayed("nothing", 21).run()["early"] == 0
    found = Replayed("latency x3", 22).run()
    assert (found["early"], found["version"]) == (0, "2")
    assert found["minutes"] <= 4


def test_null_and_oracle_bound_the_table() -> None:
    found = Changed(plan.CHANGES[2], 10.0, 1, who=(NULL, ORACLE)).run()
    assert found[NULL].spans == float("inf")
    assert found[ORACLE].minutes <= 2
    alerts = Healthy("log-normal", 2.0, 1, 1, (NULL, *PUBLISHED)).run()
    assert alerts[f"{NULL}/latency_regression"] == 0
    assert alerts["Splunk, growth 20 %/latency_regression"] > 10


def test_the_same_seed_gives_the_same_series() -> None:
    for world in WORLDS:
        assert list(simulate(world, 3.0, 300, 4)) == list(simulate(world, 3.0, 300, 4))


def test_intervals() -> None:
    assert rate_interval(0, 300)[1] == pytest.approx(0.00999, abs=1e-5)
    assert rate_interval(3, 100)[1] == pytest.approx(0.0877, abs=1e-3)
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0])[0] == 3.0
    assert too_many(5, 10, 0.01)
    assert not too_many(1, 10, 0.01)
