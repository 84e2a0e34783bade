"""Kinds of loops and their look-alikes. Each takes a seeded generator and returns one session with its truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from evals.loops.sessions import Did, Script

Rng = random.Random
Rounds = list[tuple[Did, ...]]

WORDS: Final = (
    "parser", "billing", "auth", "cache", "router", "schema", "worker", "invoice", "login", "search", "queue",
)  # fmt: skip
COMMANDS: Final = ("make test", "npm run build", "cargo check", "pytest -q tests", "go vet ./...", "node build.js")
ERRORS: Final = (
    "Error: Cannot find module './{0}'",
    "1 failed: test_{0} expected 3, got 4",
    "ModuleNotFoundError: No module named '{0}'",
    "error[E0432]: unresolved import `{0}`",
    "permission denied: {0}.lock",
)


def text(rng: Rng, words: int) -> str:
    """Some words of no meaning, never twice the same."""
    return " ".join(f"{rng.choice(WORDS)}_{rng.randrange(10_000)}" for _ in range(words))


def shell(command: str, result: str = "", error: str = "") -> Did:
    """A command line."""
    return Did("Bash", {"command": command}, result, error)


def read(rng: Rng, path: str = "") -> Did:
    """A file that is read."""
    return Did("Read", {"file_path": path or f"src/{text(rng, 1)}.py"}, text(rng, rng.randrange(10, 200)))


def edit(rng: Rng) -> Did:
    """An edit, of its own."""
    change = {"file_path": f"src/{rng.choice(WORDS)}.py", "old_string": text(rng, 2), "new_string": text(rng, 3)}
    return Did("Edit", change, f"The file {change['file_path']} has been updated.")


def work(rng: Rng, rounds: int) -> Rounds:
    """Reads, edits and commands of which no two are alike."""
    done: Rounds = []
    for _ in range(rounds):
        kind = rng.randrange(4)
        if kind == 0:
            done.append((edit(rng),))
        elif kind == 1:
            done.append((shell(f"grep -rn {text(rng, 1)} src", text(rng, rng.randrange(3, 60))),))
        else:
            done.append(tuple(read(rng) for _ in range(rng.randrange(1, 4))))
    return done


def _calls(rounds: Sequence[tuple[Did, ...]]) -> int:
    return sum(len(calls) for calls in rounds)


def _loop(rng: Rng, kind: str, passes: Callable[[int], Rounds], fourth: int = 4, **more: Any) -> Script:
    """Work, then a loop of 4 to 12 passes, sometimes work again; `due` is where pass `fourth` ends."""
    before = work(rng, rng.randrange(0, 12))
    count = max(fourth, rng.randrange(4, 13))
    rounds = [*before]
    due = -1
    for number in range(count):
        rounds += passes(number)
        if number == fourth - 1:
            due = _calls(rounds) - 1
    if rng.random() < 0.5:
        rounds += work(rng, rng.randrange(1, 8))
    return Script(kind, True, tuple(rounds), due, **more)


# Loops.


def same_failure(rng: Rng) -> Script:
    """One command that fails in the same way each time."""
    call = shell(rng.choice(COMMANDS), error=rng.choice(ERRORS).format(rng.choice(WORDS)))
    return _loop(rng, "the same failing command", lambda _: [(call,)])


def same_success(rng: Rng) -> Script:
    """One file, read again and again."""
    call = read(rng)
    return _loop(rng, "the same file read", lambda _: [(call,)])


def same_command(rng: Rng) -> Script:
    """One command that succeeds with the same output each time."""
    call = shell(f"cat config/{rng.choice(WORDS)}.json", text(rng, rng.randrange(5, 150)))
    return _loop(rng, "the same succeeding command", lambda _: [(call,)])


def cycle(rng: Rng) -> Script:
    """Two to five calls in turn."""
    period = rng.randrange(2, 6)
    calls = [read(rng) if n % 2 else shell(f"ls src/{text(rng, 1)}", text(rng, 20)) for n in range(period)]
    return _loop(rng, "two to five calls in turn", lambda _: [(call,) for call in calls])


def fan_out_again(rng: Rng) -> Script:
    """The same three calls asked for together, turn after turn."""
    calls = [read(rng) for _ in range(3)]
    return _loop(rng, "the same round of calls", lambda _: [tuple(rng.sample(calls, 3))])


def scattered(rng: Rng) -> Script:
    """One read that comes back every third call, the others differ."""
    call = read(rng)
    return _loop(rng, "a call that comes back", lambda _: [(call,), (read(rng),), (read(rng),)])


def same_error(rng: Rng) -> Script:
    """Another question each time, the same error each time."""
    reason = f"403: access to {rng.choice(WORDS)} is blocked by policy"
    return _loop(
        rng,
        "the same error, other arguments",
        lambda n: [(Did("fetch", {"url": f"https://example.org/{rng.choice(WORDS)}/{n}"}, error=reason),)],
    )


def across_traces(rng: Rng) -> Script:
    """A loop of which each turn is a trace of its own."""
    call = shell(rng.choice(COMMANDS), error=rng.choice(ERRORS).format(rng.choice(WORDS)))
    return _loop(rng, "a loop over several traces", lambda _: [(call,)], trace_each_round=True)


def beside_a_subagent(rng: Rng) -> Script:
    """The main agent repeats itself while a subagent works."""
    call = shell(rng.choice(COMMANDS), error=rng.choice(ERRORS).format(rng.choice(WORDS)))

    def passes(_: int) -> Rounds:
        other = read(rng)
        return [(call,), (Did(other.tool, other.arguments, other.result, agent="explorer"),)]

    return _loop(rng, "a loop beside a subagent", passes)


def same_write(rng: Rng) -> Script:
    """The same content written to the same file, and the same test after it."""
    path, content = f"src/{text(rng, 1)}.py", text(rng, 20)
    write = Did("Write", {"file_path": path, "content": content}, f"File created successfully at: {path}")
    test = shell(rng.choice(COMMANDS), error=rng.choice(ERRORS).format(rng.choice(WORDS)))
    return _loop(rng, "the same write and test", lambda _: [(write,), (test,)])


def waiting_for_ever(rng: Rng) -> Script:
    """Asks how something is going, three dozen times, and nothing moves."""
    call = Did("job_status", {"id": text(rng, 1)}, '{"status": "pending", "position": 1}')
    before = work(rng, rng.randrange(0, 6))
    rounds = [*before, *[(call,)] * 36]
    return Script("waiting that never ends", True, tuple(rounds), _calls(before) + 9)


def complaints(rng: Rng) -> Script:
    """Words that are no command: the shell complains alike each time, and no status says that it failed."""
    said = "/bin/bash: line 2: unexpected EOF while looking for matching `\"'"
    return _loop(rng, "the shell's complaint, no status", lambda _: [(shell(f'Let us see "{text(rng, 4)}', said),)])


def growing_file(rng: Rng) -> Script:
    """The same lines put into a file again: the answer shows the file, which grows."""
    lines = [f"{rng.choice(WORDS)} = {text(rng, 1)}" for _ in range(4)]
    change = {"path": f"src/{text(rng, 1)}.py", "replacement_text": "\n".join(lines)}

    def passes(number: int) -> Rounds:
        shown = "\n".join(f"{at}: {line}" for at, line in enumerate(lines, 1))
        return [(Did("edit_file", change, f"[{change['path']}, {90 + 4 * number} lines]\n{shown}"),)]

    return _loop(rng, "the same text written again", passes)


def missing_table(rng: Rng) -> Script:
    """One table that is not there, asked in other words each time."""
    table = text(rng, 1)
    return _loop(
        rng,
        "what is missing, asked in other words",
        lambda _: [(Did("sql", {"query": f"{text(rng, 2)} of {table}"}, error=f"Table '{table}' doesn't exist"),)],
    )


# Look-alikes.


def _healthy(kind: str, rounds: Rounds, **more: Any) -> Script:
    return Script(kind, False, tuple(rounds), **more)


def healthy_work(rng: Rng) -> Script:
    """Nothing repeats."""
    return _healthy("work without repeats", work(rng, rng.randrange(10, 50)))


def many_files(rng: Rng) -> Script:
    """The same tool over many files."""
    return _healthy("one tool over many files", [(read(rng),) for _ in range(rng.randrange(10, 40))])


def edit_and_run(rng: Rng) -> Script:
    """Edit, run, edit, run: the test fails alike until the last edit."""
    command, why = rng.choice(COMMANDS), rng.choice(ERRORS).format(rng.choice(WORDS))
    rounds: Rounds = []
    for _ in range(rng.randrange(4, 10)):
        rounds += [(edit(rng),), (shell(command, error=why),)]
    return _healthy("edit and run again", [*rounds, (edit(rng),), (shell(command, "all passed"),)])


def changing_poll(rng: Rng) -> Script:
    """A task board asked again and again, with news each time."""
    rounds: Rounds = [
        (Did("task_list", {"owner": "me"}, f"{100 + n} open tasks, {text(rng, 3)}"),)
        for n in range(rng.randrange(6, 30))
    ]
    return _healthy("polling with news each time", rounds)


def counting_poll(rng: Rng) -> Script:
    """The same, and its answers are all of one size."""
    first = rng.randrange(100, 900)
    rounds: Rounds = [
        (Did("get_build_status", {"build": 7}, f"step {first + n} of 999 done"),) for n in range(rng.randrange(6, 30))
    ]
    return _healthy("polling with news of one size", rounds)


def pending_poll(rng: Rng) -> Script:
    """Asks a few times how something is going, until it is done."""
    call = Did("job_status", {"id": text(rng, 1)}, "state: pending")
    done = Did(call.tool, call.arguments, "state: succeeded")
    return _healthy("polling until it is done", [*[(call,)] * rng.randrange(3, 9), (done,), *work(rng, 5)])


def paging(rng: Rng) -> Script:
    """The next page, with the same arguments each time."""
    rounds: Rounds = [(Did("next_page", {"table": "orders"}, text(rng, 40)),) for _ in range(rng.randrange(6, 25))]
    return _healthy("paging", rounds)


def fan_out(rng: Rng) -> Script:
    """One turn asks for the same thing six times."""
    call = Did("search", {"query": text(rng, 2)}, text(rng, 30))
    return _healthy("one round of equal calls", [*work(rng, 4), (call,) * 6, *work(rng, 4)])


def changed_retry(rng: Rng) -> Script:
    """Fails three times in three ways with other arguments, then succeeds."""
    rounds: Rounds = [
        (shell(f"psql -h host{n} -c 'select {n}'", error=rng.choice(ERRORS).format(text(rng, 1))),) for n in range(3)
    ]
    return _healthy("retries with other arguments", [*work(rng, 3), *rounds, (shell("psql -l", text(rng, 20)),)])


def read_after_edit(rng: Rng) -> Script:
    """A file read after each edit of it: some edits change what is read, some do not."""
    path = f"src/{text(rng, 1)}.py"
    rounds: Rounds = []
    same = text(rng, 40)
    for n in range(rng.randrange(4, 9)):
        result = same if n % 2 else text(rng, 40)
        rounds += [(Did("Read", {"file_path": path}, result),), (edit(rng),)]
    return _healthy("a file read after each edit", rounds)


def acknowledged(rng: Rng) -> Script:
    """Lists kept and directories made: the answers are all alike, the calls are not."""
    rounds: Rounds = []
    for n in range(rng.randrange(6, 16)):
        todo = Did("TodoWrite", {"todos": [text(rng, 3)]}, "Todos have been modified successfully")
        rounds += [(todo,), (shell(f"mkdir -p out/{n}/{text(rng, 1)}", "(Bash completed with no output)"),)]
    return _healthy("constant acknowledgements", rounds)


def prompted(rng: Rng) -> Script:
    """The user asks for the same thing again and again, and gets it."""
    call = shell("git status --short", text(rng, 8))
    rounds: Rounds = [(call,) for _ in range(rng.randrange(4, 8))]
    return _healthy("the user asks again", rounds, prompts=frozenset(range(len(rounds))))


def asks_telltale(rng: Rng) -> Script:
    """An agent that looks at its own findings after each step."""
    rounds: Rounds = []
    for _ in range(rng.randrange(6, 20)):
        rounds += [(Did("mcp__telltale__findings", {}, "no findings"),), *work(rng, 1)]
    rounds += [(shell("telltale findings --mine", "no findings"),)] * 6
    return _healthy("an agent that asks Telltale", rounds)


def two_passes(rng: Rng) -> Script:
    """All files once, then all files again."""
    calls = [read(rng) for _ in range(rng.randrange(8, 20))]
    return _healthy("every file read twice", [(call,) for call in calls * 2])


def no_match(rng: Rng) -> Script:
    """Searches of which none finds anything: each one says something new all the same."""
    rounds: Rounds = [
        (Did("Grep", {"pattern": text(rng, 1)}, "No matches found"),) for _ in range(rng.randrange(4, 12))
    ]
    return _healthy("searches without a match", rounds)


def written_by_shell(rng: Rng) -> Script:
    """A file written anew by a command line, and the same failing run after each: no status says that it failed."""
    run = shell("python repro.py", text(rng, 40) + "\nstill wrong")
    rounds: Rounds = []
    for _ in range(rng.randrange(6, 18)):
        script = f"cat > src/a.py <<'EOF'\n{text(rng, rng.randrange(5, 60))}\nEOF"
        rounds += [(shell(script, ""),), (run,)]
    return _healthy("files written by the shell and run", rounds)


LOOPS: Final = (
    same_failure, same_success, same_command, cycle, fan_out_again, scattered, same_error, across_traces,
    beside_a_subagent, same_write, waiting_for_ever, complaints, growing_file, missing_table,
)  # fmt: skip
LOOK_ALIKES: Final = (
    healthy_work, many_files, edit_and_run, changing_poll, counting_poll, pending_poll, paging, fan_out, changed_retry,
    read_after_edit, acknowledged, prompted, asks_telltale, two_passes, no_match, written_by_shell,
)  # fmt: skip
