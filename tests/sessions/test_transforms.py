from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sessions.transforms import PLAIN, WITH_ARGUMENT, transform


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        ("exit_code", "exit code 1\nTraceback", "1"),
        ("exit_code", "Exit code: 0\nWall time: 0 seconds\nOutput:\nok", "0"),
        ("exit_code", "Chunk ID: ab\nWall time: 0.1 seconds\nProcess exited with code 137\nOutput:\n", "137"),
        ("exit_code", "Output:\nexit code 1", None),
        ("exit_code", "the exit code 1 was seen", None),
        ("exit_code", "exit code 1.5", None),
        ("exit_code", '{"exitCode": 2, "output": ""}', "2"),
        ("exit_code", '{"exit_code": true}', None),
        ("exit_code", '{"note": "exit code 1"}', None),
        ("exit_code", "", None),
        ("exit_code", "<returncode>1</returncode>\n<output>\n</output>", "1"),
        ("exit_code", "<p>exit code 1</p>", None),
        ("exit_code", "no match\n[Python Interpreter: /usr/bin/python]\n[Command finished with exit code 1]", "1"),
        ("exit_code", "x\n[The command completed with exit code 0.]", "0"),
        ("exit_code", "[Command finished with exit code 1] and more]", None),
        ("exit_code", '{"output": "", "metadata": {"exit_code": 1, "duration_seconds": 0.1}}', "1"),
        ("without_volatile_header", "Script completed\nWall time 1 s\nOutput:\n\nx", "Script completed\nOutput:\n\nx"),
        ("without_volatile_header", "Chunk ID: 1\nWall time: 2\nChunk", "Chunk"),
        ("without_volatile_header", "text\nWall time: 3", "text\nWall time: 3"),
        ("without_volatile_header", "Wall time: 1\nOutput:\nWall time: 2", "Output:\nWall time: 2"),
        ("input_str", '{"input_str": "not a literal {", "tags": []}', "not a literal {"),
        ("input_str", '{"input_str": "{\'a\': \'it\\\\\'s\'}"}', '{"a":"it\'s"}'),
        ("input_str", '{"path": "x"}', '{"path": "x"}'),
        ("langchain_content", '{"output": "plain"}', "plain"),
        ("langchain_content", '{"output": {"content": [{"type": "t", "text": "x"}]}}', '[{"text":"x","type":"t"}]'),
        ("langchain_content", '{"a": 1}', '{"a": 1}'),
        ("langchain_content", "content=", "content="),
        ("langchain_status", '{"kwargs": {"content": "x", "status": "error"}}', "error"),
        ("langchain_status", '{"kwargs": {"content": "x", "status": "success"}}', None),
        ("call_id", "content='tool_call_id: no' name='x' tool_call_id='call_9'", "call_9"),
        ("call_id", "nothing", None),
        ("json:a.b", '{"a": {"b": 7}}', "7"),
        ("json:a.b", '{"a": 3}', None),
        ("json:a", '{"a": null}', None),
        ("unwrap:result", '{"result": "x"}', "x"),
        ("unwrap:result", '{"result": "x", "more": 1}', '{"result": "x", "more": 1}'),
        ("kwargs_only", '{"args": [1], "kwargs": {"a": 2}}', '[[1],{"a":2}]'),
        ("mcp_tool", '{"mcp_server_name": "s", "mcp_tool_name": "t"}', "mcp__s__t"),
        ("mcp_tool", '{"full_command": "mcp_tool_name"}', None),
        ("agent_path", "/root", None),
        ("agent_path", "/root/helper", "helper"),
        ("class_name", "<class 'openai.RateLimitError'>", "RateLimitError"),
        ("http_status", "Repeated 529 Overloaded errors", "529"),
        ("http_status", "took 1500 ms", None),
        ("not_empty", "{}", None),
        ("rejected", "exec failed: rejected: policy forbids it", "exec failed: rejected: policy forbids it"),
        ("rejected", "the change was rejectedly fine", None),
        ("json_text", '"quoted"', "quoted"),
        ("starts:mcp__", "mcp__a", "mcp__a"),
        ("starts:mcp__", "functions__a", None),
        ("equals:a|b", "b", "b"),
        ("without:x", "x", None),
        ("constant:z", "x", "z"),
    ],
)  # fmt: skip
def test_a_transform_gives(spec: str, text: str, value: str | None) -> None:
    assert transform(spec)(text) == value


ALL = [*PLAIN, *(f"{name}:x" for name in WITH_ARGUMENT)]
HOSTILE = [
    "{" * 50_000,
    "[" * 50_000,
    '{"a":' * 900,
    "content='" + "\\" * 50_001,
    '{"input_str": "' + "(" * 9_000 + '"}',
    "\x00",
    "…" * 999,
]


@pytest.mark.parametrize("spec", ALL)
def test_no_transform_raises_on_hostile_text(spec: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in HOSTILE:
            assert isinstance(transform(spec)(text), str | None)


@given(st.sampled_from(ALL), st.text() | st.text(alphabet="{}[]\":, \\'nutrle0123456789=()content"))
def test_no_transform_raises_on_any_text(spec: str, text: str) -> None:
    assert isinstance(transform(spec)(text), str | None)


def test_an_unknown_transform_is_refused_with_the_known_ones() -> None:
    for spec in ("fly", "exit_code:1", "json"):
        with pytest.raises(ValueError, match="exit_code"):
            transform(spec)
