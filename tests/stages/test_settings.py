"""Settings: where they come from, which win, what is refused."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from pipeline import settings as module
from pipeline.settings import BOUNDS, SHAPES, Settings
from pipeline.settings_sources import load_settings
from pipeline.transport.local import directory_of
from schemas.errors import SettingsError


def test_defaults_follow_the_data_folder(tmp_path: Path) -> None:
    found = load_settings({"data_dir": tmp_path}, {})
    assert found.broker_url == f"local://{tmp_path}/log"
    assert found.store_url == f"chdb://{tmp_path}/store"
    assert (found.batch_messages, found.batch_linger_s) == (1_000, 0.15)


def test_any_folder_can_be_written_as_a_broker_url(tmp_path: Path) -> None:
    odd = tmp_path / "with space; 100% #1?"
    found = load_settings({"data_dir": odd}, {})
    assert directory_of(URL(found.broker_url)) == odd / "log"


def test_flags_win_over_variables_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("ttl_days = 1\npartitions = 1\nbatch_messages = 1\n")
    environment = {"TELLTALE_PARTITIONS": "2", "TELLTALE_BATCH_MESSAGES": "2", "OTHER": "x"}
    found = load_settings({"batch_messages": 3, "store_messages": None}, environment, file)
    assert (found.ttl_days, found.partitions, found.batch_messages, found.store_messages) == (1, 2, 3, 100)


def test_a_variable_can_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("ttl_days = 7\n")
    assert load_settings({}, {"TELLTALE_CONFIG": str(file)}).ttl_days == 7


@pytest.mark.parametrize(
    ("text", "size"), [("1048576", 2**20), ("1MiB", 2**20), ("0.5 GiB", 2**29), ("64 kib", 2**16), ("70000B", 70_000)]
)
def test_sizes_may_have_units(text: str, size: int) -> None:
    assert load_settings({}, {"TELLTALE_BATCH_BYTES": text}).batch_bytes == size


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("partitions", "many", "whole number"),
        ("partitions", "1.5", "whole number"),
        ("partitions", "1KiB", "whole number"),
        ("partitions", True, "whole number"),
        ("partitions", 0, "from 1 to"),
        ("batch_bytes", "1MB", "KiB, MiB or GiB"),
        ("batch_linger_s", "soon", "number of seconds"),
        ("batch_linger_s", float("nan"), "must be from"),
        ("watchdog_s", -1, "must be from"),
        ("redaction", "some", "secrets, secrets\\+email or off"),
        ("redaction", 1, "write a text"),
        ("api", "4320", "HOST:PORT"),
        ("api", "localhost", "HOST:PORT"),
        ("broker_url", "redis://x", "local:///DIR"),
        ("store_url", "sqlite://x", "chdb:///DIR"),
        ("data_dir", "", "path of a folder"),
        ("max_decompressed_bytes", "1MiB", "less than max_request_bytes"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_repair(name: str, value: Any, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        load_settings({name: value}, {})
    assert name.replace("_", "-") in str(refused.value).replace("_", "-")


def test_a_wrong_variable_and_a_wrong_line_are_named_as_they_were_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TELLTALE_TTL_DAYS = 'x'"):
        load_settings({}, {"TELLTALE_TTL_DAYS": "x"})
    file = tmp_path / "settings.toml"
    file.write_text("ttl_days = 'x'\n")
    with pytest.raises(SettingsError, match=r"settings\.toml: ttl_days = 'x'"):
        load_settings({}, {}, file)


def test_an_unknown_name_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("ttl_day = 3\n")
    with pytest.raises(SettingsError, match="ttl_day is no setting: did you mean ttl_days"):
        load_settings({}, {}, file)
    with pytest.raises(SettingsError, match="colour is no setting"):
        load_settings({"colour": 1}, {})


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({}, {}, tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(SettingsError, match="no TOML"):
        load_settings({}, {}, tmp_path / "bad.toml")


def test_every_setting_is_documented_and_every_number_bounded() -> None:
    (cls,) = [n for n in ast.parse(Path(module.__file__).read_text()).body if isinstance(n, ast.ClassDef)]
    documented = {
        field.target.id
        for field, text in zip(cls.body, cls.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }  # fmt: skip
    named = [one.name for one in fields(Settings)]
    assert documented == set(named)
    assert set(BOUNDS) | set(SHAPES) | {"data_dir"} == set(named)
