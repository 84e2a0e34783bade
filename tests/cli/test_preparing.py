"""Before anything starts: the data folder is for its owner only, and what cannot be written is said in one line."""

from __future__ import annotations

import logging
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from cli.daemon import ALL_ROLES, Role
from cli.preparing import check_ready_file, make_data_folder
from schemas.errors import SettingsError


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_new_data_folder_is_for_its_owner_only_and_its_parents_are_as_ever(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.mkdir()
    make_data_folder(tmp_path / "parent" / "data", ALL_ROLES)
    assert mode(tmp_path / "parent" / "data") == 0o700
    assert mode(tmp_path / "parent") == mode(usual)


def test_a_data_folder_of_ours_is_tightened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "ready.json").touch()
    tmp_path.chmod(0o755)
    make_data_folder(tmp_path, ALL_ROLES)
    assert (mode(tmp_path), caplog.records) == (0o700, [])


@pytest.mark.parametrize(("permissions", "holds", "says"), [(0o755, "other", "it also holds"), (0o1777, "", "shared")])
def test_a_folder_that_serves_others_too_is_left_as_it_is_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, permissions: int, holds: str, says: str
) -> None:
    (tmp_path / holds).mkdir(exist_ok=True)
    tmp_path.chmod(permissions)
    make_data_folder(tmp_path, ALL_ROLES)
    assert mode(tmp_path) == permissions
    ((_, level, text),) = caplog.record_tuples
    assert level == logging.WARNING
    assert says in text
    assert "chmod 700" in text


def test_permissions_that_cannot_be_changed_are_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    tmp_path.chmod(0o750)
    monkeypatch.setattr(Path, "chmod", refuse)
    make_data_folder(tmp_path, ALL_ROLES)
    assert "Operation not permitted" in caplog.text


def test_a_process_that_starts_lets_nobody_else_at_what_it_stores(run: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as taken:  # it ends by itself, after it made its store
        done = run("up", "--data", str(data), "--api", f"127.0.0.1:{taken.getsockname()[1]}")
    assert "cannot listen" in done.stderr
    assert (data / "store").is_dir()
    assert mode(data) == 0o700


@pytest.mark.parametrize("role", ["receiver", "api"])
def test_a_role_that_keeps_nothing_makes_no_folder(tmp_path: Path, role: Role) -> None:
    make_data_folder(tmp_path / "data", frozenset({role}))
    assert not (tmp_path / "data").exists()


def test_a_ready_file_is_tried_and_nothing_is_left_of_the_trial(tmp_path: Path) -> None:
    check_ready_file(tmp_path / "ready")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SettingsError, match=r"ready cannot be written .*--ready-file"):
        check_ready_file(tmp_path / "none" / "ready")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "/proc/x"], "data folder /proc/x cannot be written (No such file or directory): give another one"),
        (["--data", f"{__file__}/x"], "cannot be written (Not a directory): give another one with --data"),
        (["--ready-file", "/no/such/dir/ready"], "ready file /no/such/dir/ready cannot be written (No such file"),
    ],
    ids=["a folder that cannot be made", "a folder below a file", "a ready file in no folder"],
)
def test_what_cannot_be_written_is_one_line_with_its_repair(
    run: Any, tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = run("up", "--data", str(tmp_path / "data"), *arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
