"""`telltale migrate` on a real server: says what it does, does it once, and a dry run changes nothing."""

from __future__ import annotations

from pathlib import Path

from testbed.clickhouse import ServerProcess
from tests.cli.conftest import Run


def test_tables_are_made_once_and_a_dry_run_makes_none(run: Run, tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        arguments = ("migrate", "--clickhouse", f"{server.url}/default")
        planned = run(*arguments, "--dry-run")
        made = run(*arguments)
        again = run(*arguments)
        fresh = run("migrate", "--clickhouse", f"{server.url}/telltale")
    assert "migration 1 (tables and views as declared): would be done" in planned.stdout, planned.stderr
    assert "migration 1 (tables and views as declared): done" in made.stdout, made.stderr
    assert again.stdout == "nothing to do\n"
    assert "database telltale: done" in fresh.stdout, fresh.stderr


def test_a_store_that_does_not_answer_is_told(run: Run) -> None:
    done = run("migrate", "--clickhouse", "http://127.0.0.1:1/x")
    assert (done.returncode, "no ClickHouse answers" in done.stderr) == (1, True)
