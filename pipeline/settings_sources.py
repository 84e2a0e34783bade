"""Where settings come from: flags, then `TELLTALE_*` variables, then a TOML file, then defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from pipeline.settings import GIB, KIB, MIB, Settings
from schemas.errors import SettingsError

PREFIX: Final = "TELLTALE_"
FILE_VARIABLE: Final = "TELLTALE_CONFIG"
SECRETS: Final = frozenset({"kafka_password"})
_UNITS: Final = {"": 1, "B": 1, "KIB": KIB, "MIB": MIB, "GIB": GIB}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """The settings of a process.

    Args:
        flags: field -> value as given on the command line; None: not given.
        environment: such as `os.environ`; `TELLTALE_DATA_DIR` sets `data_dir`, and so on for every field.
        file: a TOML file with fields as keys; None: the one that `TELLTALE_CONFIG` names, if any.

    Raises:
        SettingsError: naming the key, where it stands and the repair.
    """
    kinds = {one.name: str(one.type) for one in fields(Settings)}
    found: dict[str, Any] = {}
    named = file or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    if named is not None:
        for name, value in _read(named).items():
            if name not in kinds:
                raise SettingsError(f"{named}: {name} is no setting{_nearest(name, kinds)}")
            found[name] = _convert(name, kinds[name], value, f"{named}: {name}")
    for name, kind in kinds.items():
        if (text := environment.get(PREFIX + name.upper())) is not None:
            found[name] = _convert(name, kind, text, PREFIX + name.upper())
    for name, value in flags.items():
        if name not in kinds:
            raise SettingsError(f"{name} is no setting{_nearest(name, kinds)}")
        if name in SECRETS:
            raise SettingsError(
                f"{name} does not belong on a command line, where everybody can read it: write it to a file and give "
                f"{name}_file, or set {PREFIX}{name.upper()}"
            )
        if value is not None:
            found[name] = _convert(name, kinds[name], value, f"--{name.replace('_', '-')}")
    return Settings(**found)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsError(f"settings file {file} cannot be read ({exc.strerror}): correct the path") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsError(f"settings file {file} is no TOML: {exc}") from exc


def _convert(name: str, kind: str, value: Any, where: str) -> Any:
    """The value in the field's type."""
    try:
        if kind == "Path":
            if not str(value).strip():
                raise ValueError
            return Path(value)
        if kind == "int":
            return _whole(name, value)
        if kind == "float":
            if isinstance(value, bool):
                raise ValueError
            return float(value)
        if isinstance(value, str):
            return value
        raise ValueError
    except (ValueError, TypeError, OverflowError) as exc:
        raise SettingsError(f"{where} = {value!r}: {_REPAIRS.get(kind, 'write a text')}") from exc


_REPAIRS: Final = {
    "int": "write a whole number (bytes may have KiB, MiB or GiB)",
    "float": "write a number of seconds",
    "Path": "write the path of a folder",
}


def _whole(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    number, unit = match.groups()
    if unit and not name.endswith("_bytes"):
        raise ValueError
    exact = float(number) * _UNITS.get(unit.upper(), float("nan"))
    if exact != int(exact):
        raise ValueError
    return int(exact)


def _nearest(name: str, kinds: Mapping[str, str]) -> str:
    parts = set(name.lower().split("_"))
    close = max(kinds, key=lambda known: len(parts & set(known.split("_"))))
    return f": did you mean {close}?" if parts & set(close.split("_")) else ""
