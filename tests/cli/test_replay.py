"""`telltale replay` through the installed command, on real captures."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.lines import Lines

PROGRAM = Path(sys.executable).with_name("telltale")
CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"
STUCK = CAPTURES / "claude-details-httpproto-B.jsonl.gz"
HEALTHY = CAPTURES / "claude-details-httpproto-A.jsonl.gz"


def test_a_looping_capture_gives_its_finding_and_a_healthy_one_nothing(run: Any) -> None:
    done = run("replay", str(STUCK))
    assert (done.returncode, done.stderr) == (0, "")
    (finding,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (finding["schema"], finding["kind"]) == ("telltale.finding/v1", "tool_call_loop")
    healthy = run("replay", str(HEALTHY))
    assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")


def test_plain_gzip_and_standard_input_give_the_same(run: Any, tmp_path: Path) -> None:
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(gzip.decompress(STUCK.read_bytes()))
    renamed = tmp_path / "no-ending"
    renamed.write_bytes(STUCK.read_bytes())
    outputs = {
        run("replay", str(plain)).stdout,
        run("replay", str(renamed)).stdout,
        run("replay", "-", stdin=STUCK.read_bytes()).stdout,
    }
    assert len(outputs) == 1


def test_each_prints_every_revision(run: Any) -> None:
    revisions = [json.loads(line) for line in run("replay", "--each", str(STUCK)).stdout.splitlines()]
    assert len(revisions) > 1
    assert [one["revision"] for one in revisions] == sorted(one["revision"] for one in revisions)


def test_bad_lines_are_named_and_skipped(run: Any, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.jsonl"
    good = gzip.decompress(STUCK.read_bytes())
    mixed.write_bytes(b"nonsense\n\n" + good + b'{"resourceSpans":1}\n\xff\xfe\n')
    done = run("replay", str(HEALTHY), str(mixed))
    assert done.returncode == 3
    last = 2 + good.count(b"\n")
    places = [line.split(": ")[0] for line in done.stderr.splitlines()]
    assert places == [f"{mixed}:1", f"{mixed}:{last + 1}", f"{mixed}:{last + 2}"]
    assert len(done.stdout.splitlines()) == 1


def test_a_file_that_is_cut_off_gives_what_was_in_it(run: Any, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(STUCK.read_bytes()[:-100])
    done = run("replay", str(cut), str(STUCK))
    assert done.returncode == 3
    assert f"{cut}:" in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_wrong_usage_is_told_before_anything_is_read(run: Any, tmp_path: Path) -> None:
    for arguments in ([], [str(tmp_path / "none")], [str(tmp_path)], [str(STUCK), "--rules", str(tmp_path / "none")]):
        done = run("replay", *arguments)
        assert (done.returncode, done.stdout) == (64, "")
    no_rules = run("replay", str(STUCK), "--rules", str(tmp_path))
    assert no_rules.returncode == 64
    assert "holds no rule" in no_rules.stderr


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    with subprocess.Popen(
        [str(PROGRAM), "replay", "--each", *[str(STUCK)] * 30], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_an_interrupt_prints_what_was_found_so_far(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [str(PROGRAM), "replay", "-", str(pipe)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        # More lines than are judged together, so that the loop is found before the input ends.
        process.stdin.write(gzip.decompress(STUCK.read_bytes()) + b'{"resourceLogs":[]}\n' * 200)
        process.stdin.close()
        process.stdin = None
        with pipe.open("wb"):  # opens once the command has read all of the first file
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")
    assert [json.loads(line)["kind"] for line in out.splitlines()] == ["tool_call_loop"]


def test_places_of_lines_survive_long_files(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_text("\n".join(f"{n}" if n % 2 else "" for n in range(40_000)))
    lines = Lines([str(file)])
    given = [int(line) for line in lines]
    assert given == list(range(1, 40_000, 2))
    assert lines.place(len(given) - 1) == f"{file}:40000"
    assert lines.place(len(given) - 10_000) == f"{file}:20002"
    assert lines.place(0) == "line 1"
