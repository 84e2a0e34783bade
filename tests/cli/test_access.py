"""Who may ask the API, by the settings: nothing listens beyond this machine without tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.access import access, is_loopback
from pipeline.settings import Settings
from query.guarded import digest
from schemas.errors import SettingsError

TOKEN = "0123456789abcdef0123"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"])
def test_loopback_needs_no_token(address: str) -> None:
    assert is_loopback(address)
    assert access(Settings(api=address)).tokens == {}


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "telltale.internal:1"])
def test_beyond_loopback_it_does_not_start_without(address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name a file of tokens with api_tokens_file"):
        access(Settings(api=address))
    file = tmp_path / "tokens"
    file.write_text(f"# ours\n\nread {TOKEN}\nwrite {TOKEN}w\n")
    given = access(Settings(api=address, api_tokens_file=str(file)))
    assert given.tokens == {digest(TOKEN): "read", digest(f"{TOKEN}w"): "write"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no token"),
        ("# x\n", "holds no token"),
        ("read short", ":1:"),
        (f"\nadmin {TOKEN}", ":2:"),
        (TOKEN, ":1:"),
    ],
)
def test_a_wrong_file_of_tokens_is_refused_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        access(Settings(api_tokens_file=str(file)))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        access(Settings(api_tokens_file=str(tmp_path / "nope")))
