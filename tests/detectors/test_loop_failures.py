"""Failures that only the text tells, texts written again, and what hidden edits leave of equal sizes."""

from __future__ import annotations

import pytest

from detectors.loops.results import complaint_of, is_error_of_a_tool, is_named
from schemas.facts import ToolCall, size_signature
from tests.detectors.conformance.laws import tool_call
from tests.detectors.test_loop_look_alikes import call, shell, told, worst

COMPLAINT = "/bin/bash: line {}: tsc: command not found"


@pytest.mark.parametrize(
    "result",
    [
        "bash: tsc: command not found",
        "/bin/sh: 1: tsc: not found",
        "-bash: cd: build/: No such file or directory\n",
        "zsh:1: command not found: tsc",
        "(eval):1: command not found: tsc",
        "bash: line 2: unexpected EOF while looking for matching `''\nbash: line 4: syntax error: unexpected end",
        "<returncode>127</returncode>\nsh: 1: tsc: not found",
        "bash: tsc: command not found\nexit code: 127\nroot@box:/#",
        "Chunk ID: 3f\nWall time: 0.2 seconds\nProcess exited with code 127\nOutput:\nbash: tsc: command not found",
        "'tsc' is not recognized as an internal or external command,\noperable program or batch file.",
    ],
)
def test_what_only_the_shell_says_is_a_complaint(result: str) -> None:
    assert complaint_of(result)


@pytest.mark.parametrize(
    "result",
    [
        "",
        "exit code: 0",
        "bash: tsc: command not found\n12 passed in 3.1s",
        "#!/bin/sh\nset -e\nbash: here is how",
        "install.sh: done",
        "run build.sh: first this, then that",
        "bash: x: not found\n" * 200,
    ],
)
def test_where_something_else_spoke_it_is_none(result: str) -> None:
    assert not complaint_of(result)


def test_a_complaint_whose_counter_grows_is_the_same_failure() -> None:
    lines = [COMPLAINT.format(1100 + 15 * n) for n in range(4)]
    assert len({complaint_of(line) for line in lines}) == 1
    assert worst(*[shell("tsc --noEmit", line) for line in lines[:3]]) == "suspect"
    assert worst(*[shell("tsc --noEmit", line) for line in lines]) == "warning"


def test_a_complaint_about_other_words_each_time_is_the_same_error_in_a_row() -> None:
    said = "/bin/bash: line 2: unexpected EOF while looking for matching `''"
    assert worst(*[shell(f"Let us look at step {n}, it's time", said) for n in range(4)]) == "warning"


def test_a_program_that_is_not_there_has_edited_nothing() -> None:
    tries = [
        [shell("make test", "2 failed, 3 passed"), shell(f"frob -d out{n}", "sh: frob: not found")] for n in range(4)
    ]
    assert worst(*[one for pair in tries for one in pair]) == "warning"
    worked = [[shell("make test", "2 failed, 3 passed"), shell(f"frob -d out{n}", f"done {n}")] for n in range(4)]
    assert worst(*[one for pair in worked for one in pair]) == "none"


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        ("Error: no such line", True),
        ("The result of executing that last command is:\n Command write_fix returned: Error: not iterable", True),
        ("tool output: Error: no such line", True),
        ("Edited a.py: error: 2 lint messages left", False),
        ("The result is: all went well", False),
        ("returned: 12 rows", False),
    ],
)
def test_an_error_is_one_behind_a_harness_preamble_too(result: str, wrong: bool) -> None:
    assert is_error_of_a_tool(result) is wrong


def test_an_edit_that_failed_behind_a_preamble_is_no_edit() -> None:
    said = "The result of the command is:\n Command write_fix returned: Error: 'NoneType' object is not iterable"
    assert worst(*[call("write_fix", f'{{"line":{n},"text":"x = {n}"}}', said) for n in range(4)]) == "warning"


TEXT = '{"path":"Case.java","new_text":"import a.b.C;\\nimport a.b.D;\\n\\npublic class Case {}"}'


def written(number: int, text: str = TEXT) -> ToolCall:
    """An edit whose answer shows the file, which has grown."""
    return call("edit_file", text, f"[Case.java, {6 + 5 * number} lines]\n1:import a.b.C;\n2:import a.b.D;")


def test_a_text_written_again_repeats_itself_however_the_file_grows() -> None:
    def again(count: int) -> list[ToolCall]:
        return [written(n) for n in range(count)]

    assert worst(*again(3)) == "suspect"
    found = told(*again(4))
    assert found[-1].severity == "warning"
    assert "and wrote the same each time" in found[-1].why


def test_texts_written_between_are_news_and_steps_are_no_texts() -> None:
    news = [call("edit_file", TEXT.replace("Case", f"C{n}"), "ok") for n in range(5)]
    assert worst(*[one for n in range(5) for one in (written(n), news[n])]) == "none"
    assert worst(*[call("edit_file", '{"key":"Down"}', f"line {n}") for n in range(6)]) == "none"
    assert worst(*[call("edit_file", TEXT, f"revision {n}") for n in range(9)]) == "none", "an answer of its own"
    item = '{"item":"a name of an item that is long enough"}'
    assert worst(*[call("add_to_cart", item, f"{n} items") for n in range(6)]) == "none"


def test_what_is_missing_counts_where_each_call_asks_for_it_by_name() -> None:
    said = "Table 'shop.orders' doesn't exist"
    same = [call("sql", f'{{"query":"count {n} of orders"}}', said, outcome="error") for n in range(4)]
    assert worst(*same) == "warning"
    unnamed = [call("find", f'{{"name":"item{n}"}}', "no results", outcome="error") for n in range(8)]
    assert worst(*unnamed) == "suspect"


@pytest.mark.parametrize(
    ("said", "asked", "named"),
    [
        ("table 'shop.orders' doesn't exist", "select from orders", True),
        ("no such file: src/app/main.py", '{"path": "src/app/main.py", "line": 3}', True),
        ("config.json not found", '{"path": "settings.json"}', False),
        ("no results", '{"query": "results of the day"}', False),
        ("'a' not found", "a", False),
        ("file does not exist. the working directory is /app.", '{"path": "/app/src/main.py"}', False),
    ],
)
def test_a_name_is_one_that_the_call_holds(said: str, asked: str, named: bool) -> None:
    assert is_named(said, asked) is named


def sized(tool: str, arguments: int, result: int, **given: str) -> ToolCall:
    """A call of which only sizes are known."""
    return tool_call(
        tool_name=tool, arguments="", arguments_signature=size_signature(arguments), arguments_strength="size",
        result="", result_signature=size_signature(result), result_strength="size", **given,
    )  # fmt: skip


@pytest.mark.parametrize("editor", ["Bash", "mcp_tool", "str_replace_editor"])
def test_equal_sizes_say_nothing_where_something_hidden_may_have_edited(editor: str) -> None:
    work = [[sized("Bash", 26, 900), sized(editor, 150 + 7 * n, 30 + n)] for n in range(18)]
    assert worst(*[one for pair in work for one in pair]) == "none"


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(lambda n: [sized("Read", 40 + n, 700 + n)], id="reads between"),
        pytest.param(lambda n: [sized("Bash", 60, 80)], id="the same command line between"),
        pytest.param(lambda n: [sized("Bash", 60 + n, 80, outcome="error")], id="what failed between"),
        pytest.param(lambda n: [], id="nothing between"),
    ],
)
def test_and_a_loop_is_told_where_nothing_can_have(beside: object) -> None:
    assert callable(beside)
    assert worst(*[one for n in range(8) for one in [sized("Bash", 26, 900), *beside(n)]]) == "warning"


def test_a_scroll_beside_a_call_that_repeats_is_no_wait_for_it() -> None:
    turns = [[call("open_page", "p1", "the same page"), call("scroll_down", f"{n}", f"rows {n}")] for n in range(4)]
    assert worst(*[one for turn in turns for one in turn]) == "warning"
    waits = [[call("open_page", "p1", "the same page"), call("wait_for", f"{n}", f"rows {n}")] for n in range(4)]
    assert worst(*[one for turn in waits for one in turn]) == "none"
