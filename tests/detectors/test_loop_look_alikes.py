"""Work that repeats itself and is none the worse for it, each beside the loop that it looks like."""

from __future__ import annotations

import pytest

from schemas import signatures
from schemas.facts import SessionFact, ToolCall
from schemas.finding import SEVERITIES, Finding
from tests.detectors.conformance.laws import LOOP, SECOND_NS, START_NS, fold, tool_call


def told(*calls: ToolCall) -> list[Finding]:
    events: list[SessionFact] = [
        call._replace(start_time_unix_nano=START_NS + i * 2 * SECOND_NS, span_id=f"s{i}")
        for i, call in enumerate(calls)
    ]
    return fold(LOOP, events)[1]


def worst(*calls: ToolCall) -> str:
    return max((f.severity for f in told(*calls)), key=SEVERITIES.index, default="none")


def call(tool: str, arguments: str, result: str, **given: str) -> ToolCall:
    """A call known in full."""
    signed = signatures.of_content(arguments, -1), signatures.of_content(result, -1)
    return tool_call(
        tool_name=tool, arguments=arguments, arguments_signature=signed[0].value, result=result,
        result_signature=signed[1].value, **given,
    )  # fmt: skip


def shell(command: str, result: str = "some output of it", **given: str) -> ToolCall:
    return call("Bash", f'{{"command":"{command}"}}', result, **given)


def failing(command: str = "make test", why: str = "assert 3 == 4", **given: str) -> ToolCall:
    return shell(command, why, outcome="error", **given)


# Edits.


@pytest.mark.parametrize(
    "edit",
    [
        "sed -i s/a/{0}/ x.py",
        "git apply /tmp/{0}.diff",
        "git cherry-pick abc{0}",
        "cat > a.py <<'EOF'\\nprint({0})\\nEOF",
        "cat<<EOF>a.py\\nprint({0})\\nEOF",
        "python3 - <<'EOF'\\nfix({0})\\nEOF",
        "apply_patch <<'EOF'\\n*** Begin Patch\\n-{0}\\nEOF",
        "echo {0} >conf.txt",
        "python3 -c \\\"from pathlib import Path; Path('a').write_text('{0}')\\\"",
        "node -e \\\"require('fs').writeFileSync('a', '{0}')\\\"",
        "awk -i inplace '{{sub(/{0}/, 1)}}1' a.py",
        "printf '{0}s/a/b/' | ed -s a.py",
        "ruff check --fix src/m{0}.py",
        "git config user.name {0}",
        "kubectl apply -f {0}.yaml",
        "sed -E -i s/a/{0}/ x.py",
        "sed -ri s/a/{0}/ x.py",
        "git -C /repo apply {0}.diff",
        "apt-get -y install p{0}",
        "pip3.11 install p{0}",
        "kubectl -n a apply -f {0}.yaml",
        "sqlite3 db 'update t set a = {0}'",
        "str_replace_editor str_replace --path a.py --old {0}",
        "edit 1:3\\nx = {0}\\nend_of_edit",
        "./apply_fix.sh {0}",
        "PYTHONPATH=src /opt/tools/migrate {0}",
    ],
)
def test_a_command_line_that_edits_begins_anew(edit: str) -> None:
    work = [step for n in range(6) for step in (failing(), shell(edit.format(n)))]
    assert told(*work) == []
    assert worst(*[step for _ in range(6) for step in (failing(), shell(edit.format(7)))]) != "none"


def test_a_script_is_an_edit_by_what_stands_at_its_end() -> None:
    filler = "; ".join(f"s = s.replace('alpha{n}', 'beta')" for n in range(80))
    scripts = [f"python3 -c \\\"{filler}; f.write(s + '{n}')\\\"" for n in range(6)]
    assert told(*[step for script in scripts for step in (failing(), shell(script))]) == []


@pytest.mark.parametrize(
    "look",
    [
        "grep -n x{0} a.py 2>/dev/null",
        "cat a{0}.py 2>&1 | head",
        "test {0} -ge 3",
        "awk '$3 > {0}' a.txt",
        "python -c 'print(3 > {0})'",
        "FOO={0} git -C /repo status",
        "grep -i x{0} a.py | sort",
    ],
)
def test_a_command_line_that_only_looks_begins_nothing(look: str) -> None:
    work = [step for n in range(6) for step in (failing(), shell(look.format(n), f"output {n} of a look"))]
    assert worst(*work) == "warning"


def test_a_tool_of_several_commands_edits_by_some_of_them() -> None:
    def editor(command: str, n: int) -> ToolCall:
        return call("str_replace_editor", f'{{"command": "{command}", "path": "a", "n": {n}}}', f"this is what {n} did")

    assert told(*[step for n in range(6) for step in (failing(), editor("str_replace", n))]) == []
    assert worst(*[step for n in range(6) for step in (failing(), editor("view", n))]) == "warning"


def test_an_edit_of_one_agent_begins_anew_for_all() -> None:
    def edit(n: int) -> ToolCall:
        return call("Edit", f"edit {n}", "The file has been updated.", agent_name="helper")

    assert told(*[step for n in range(6) for step in (failing(), edit(n))]) == []


def test_what_was_delegated_may_have_been_an_edit() -> None:
    work = [step for n in range(6) for step in (failing(), call("Task", f"repair {n}", f"I repaired {n} for you"))]
    assert told(*work) == []


# Answers that change.


def test_a_test_that_fails_now_and_then_is_no_cycle() -> None:
    assert told(*[failing(), shell("make test", "all of it passed")] * 5) == []


def test_edits_that_undo_each_other_are_one() -> None:
    there = call("Edit", "x = 1 to x = 2", "The file has been updated.")
    back = call("Edit", "x = 2 to x = 1", "The file has been updated.")
    assert worst(*[there, failing(why="expected 2"), back, failing(why="expected 1")] * 5) != "none"


def test_news_beside_it_begin_anew_for_what_succeeds() -> None:
    limit = shell("cat limit", "the limit is 200")
    assert told(*[step for n in range(8) for step in (shell("wc -l out", f"{n * 31} out"), limit)]) == []
    assert worst(*[step for n in range(8) for step in (shell("wc -l out", f"{n * 31} out"), failing())]) == "critical"


def test_once_the_news_end_it_counts() -> None:
    def look(n: int) -> list[ToolCall]:
        return [shell("wc -l out", f"{n * 31} lines in out"), shell("cat limit", "the limit is 200")]

    assert worst(*[step for n in range(6) for step in look(n)], *look(6) * 4) == "warning"


# Waiting.


@pytest.mark.parametrize(("times", "severity"), [(5, "suspect"), (9, "suspect"), (10, "warning")])
def test_what_is_tried_again_after_a_pause_waits(times: int, severity: str) -> None:
    between = [
        step for _ in range(times) for step in (failing("curl localhost", "connection refused"), shell("sleep 5"))
    ]
    assert worst(*between) == severity
    inside = [failing(f"sleep {n}; curl localhost", "connection refused") for n in range(times)]
    assert worst(*inside) == severity


def test_a_test_runner_told_not_to_watch_does_not_wait() -> None:
    assert worst(*[failing("npm test -- --watchAll=false")] * 4) == "warning"


@pytest.mark.parametrize(("times", "severity"), [(9, "suspect"), (10, "warning")])
def test_a_click_is_repeated_on_purpose(times: int, severity: str) -> None:
    assert worst(*[call("mcp__browser__browser_click", "next", "Clicked on the button")] * times) == severity


# Questions.


@pytest.mark.parametrize(
    "answer",
    [
        "valid",
        "record is valid",
        '{"n_is_prime": false}',
        "All checks passed!",
        "No known vulnerabilities detected.",
        "<returncode>0</returncode>\n<output>\n</output>",
        '{"content":[{"type":"text","text":"[]"}],"isError":false}',
        "The item was added to your cart, which now holds what you chose.",
        "",
    ],
)
def test_many_questions_may_have_one_short_answer(answer: str) -> None:
    assert worst(*[call("judge", f"record {n}", answer) for n in range(12)]) in {"none", "suspect"}


def test_questions_that_come_back_may_not() -> None:
    assert worst(*[call("task_list", f"peer {n % 3}", "frozen board") for n in range(8)]) == "warning"
    error = "Error: permission denied for relation customers"
    assert worst(*[call("query_db", f"table {n}", error) for n in range(5)]) == "warning"


def test_an_edit_that_finds_no_place_is_no_search_without_a_match() -> None:
    why = "String to replace not found in file."
    assert worst(*[call("Edit", f"edit {n}", why, outcome="error") for n in range(4)]) == "warning"
    searches = [call("Grep", f"pattern {n}", "pattern not found in any file", outcome="error") for n in range(8)]
    assert worst(*searches) == "suspect"


@pytest.mark.parametrize(("command", "severity"), [("nvidia-smi", "suspect"), ("cat config.json", "warning")])
def test_a_hidden_answer_of_what_others_change_may_have_been_new(command: str, severity: str) -> None:
    hidden = shell(command, "")._replace(result_signature=signatures.of_content(None, 90).value, result_strength="size")
    assert worst(*[hidden] * 12) == severity


@pytest.mark.parametrize(
    "nothing",
    ["Exit code 1", "Exit code: 1\nOutput:\n", "Command exited with code 1.", '{"stdout":"","stderr":"","exit_code":1}',
     "STDOUT:\n\nSTDERR:\n\nReturn code: 1", "error", "[Command finished with exit code 1]",
     "Command: grep\nDirectory: (root)\nOutput: (empty)\nError: (none)\nExit Code: 1\nSignal: 0"],
)  # fmt: skip
def test_an_exit_code_alone_is_no_error_that_two_commands_share(nothing: str) -> None:
    assert told(*[failing(f"grep -rn pattern_{n} src", nothing) for n in range(8)]) == []


@pytest.mark.parametrize("why", ["Forbidden", "403", "timeout", "403 blocked by policy"])
def test_a_short_error_is_one(why: str) -> None:
    assert worst(*[call("fetch", f"page {n}", why, outcome="error") for n in range(4)]) == "warning"


# Tools that nobody named.


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("sandbox_exec", '{"cmd":"sed -i s/a/#/ x.py"}'),
        ("execute_ipython_cell", '{"code":"open(1).write_text(#)"}'),
        ("execute_sql", '{"sql":"UPDATE t SET a = #"}'),
        ("http_request", '{"method":"POST","body":"#"}'),
        ("developer__text_editor", '{"command":"str_replace","new":"#"}'),
        ("set_cell", '{"value":"#"}'),
        ("computer", '{"action":"left_click","coordinate":["#",5]}'),
        ("tmux_send_keys", '{"keys":"# enter"}'),
    ],
)
def test_what_changes_the_world_is_told_from_names_and_arguments(tool: str, arguments: str) -> None:
    work = [step for n in range(6) for step in (failing(), call(tool, arguments.replace("#", str(n)), f"done {n}"))]
    assert told(*work) == []


@pytest.mark.parametrize(
    "tool", ["get_commit", "MCP:get_commit", "list_updates", "update_todo_list", "create_memory", "view_patch"]
)
def test_a_tool_that_reads_or_notes_changes_nothing(tool: str) -> None:
    work = [step for n in range(6) for step in (failing(), call(tool, f"number {n}", f"answer {n}"))]
    assert worst(*work) == "warning"


def test_mail_that_is_read_is_not_mail_that_was_sent() -> None:
    assert told(*[call("get_next_email", "{}", f"From: somebody. Question {n}") for n in range(6)]) == []
    assert told(*[call("send_request", "{}", f"page {n}: " + "rows and more rows of it " * 10) for n in range(6)]) == []


def test_an_edit_that_says_that_it_did_not_happen_changed_nothing() -> None:
    why = "No replacement was performed, old_str {0} did not appear verbatim in a.py."
    edits = [
        call("str_replace_editor", f'{{"command":"str_replace","old_str":"{n}"}}', why.format(n)) for n in range(6)
    ]
    assert worst(*[step for edit in edits for step in (failing(), edit)]) == "warning"


def test_a_thought_between_two_errors_does_not_part_them() -> None:
    errors = [call("fetch", f"page {n}", "403 blocked by policy", outcome="error") for n in range(4)]
    thoughts = [call("think", f"thought {n}", "noted") for n in range(4)]
    assert worst(*[step for pair in zip(thoughts, errors, strict=True) for step in pair]) == "warning"


def test_the_same_call_again_is_told_while_its_answer_is_that_of_many_others() -> None:
    missing = "File does not exist."
    reads = [call("Read", f"file {n}", missing, outcome="error") for n in range(6)]
    again = [call("Read", "file 5", missing, outcome="error") for _ in range(3)]
    assert worst(*reads) == "suspect"
    assert worst(*reads, *again) == "warning"


# Time.


@pytest.mark.parametrize(("minutes", "severity"), [(1, "critical"), (60, "suspect")])
def test_what_is_asked_once_an_hour_waits(minutes: int, severity: str) -> None:
    asked = call("check_inbox", "{}", "The inbox of the team holds no message.")
    events: list[SessionFact] = [
        asked._replace(start_time_unix_nano=START_NS + n * minutes * 60 * SECOND_NS, span_id=f"s{n}") for n in range(9)
    ]
    found = fold(LOOP, events)[1]
    assert max((f.severity for f in found), key=SEVERITIES.index, default="none") == severity


@pytest.mark.parametrize(
    "answer",
    ['{"id":"b-1","status":"BUILDING","log":"' + "x" * 500 + '"}', '{"state":"IN_PROGRESS"}', '{"done": false}'],
)
def test_a_field_that_says_that_it_goes_on_waits(answer: str) -> None:
    assert worst(*[call("lookup_release", "{}", answer)] * 8) == "suspect"
