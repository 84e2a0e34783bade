"""The repository keeps its own rules: names, sizes, layers, and what goes into the wheel."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "detectors", "sinks", "pipeline", "query", "cli", "skills")
SOURCE_FOLDERS = (*PACKAGES, "demo", "benchmarks", "docs", "tests", "evals", "fuzz", ".ci")
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "core", "misc"}
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40


def modules(folders: tuple[str, ...] = SOURCE_FOLDERS) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its decorators and docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def test_no_module_is_named_after_nothing() -> None:
    named = [path for path in modules() if {path.stem, *path.relative_to(ROOT).parent.parts} & BANNED_NAMES]
    assert named == []


def test_modules_are_short() -> None:
    long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > MAX_MODULE_LINES}
    assert long == {}


def test_functions_are_short() -> None:
    long = {}
    for path in modules((*PACKAGES, "demo", "benchmarks", "docs", ".ci")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > MAX_FUNCTION_LINES:
                long[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = body_lines(node)
    assert long == {}


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("name", PACKAGES)
def test_the_top_level_names_are_ours(name: str) -> None:
    module = importlib.import_module(name)
    assert Path(module.__file__ or "").is_relative_to(ROOT)
    claimants = set(importlib.metadata.packages_distributions().get(name, []))
    assert claimants <= {"telltale"}


def test_the_wheel_lists_each_package_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert sorted(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == sorted(PACKAGES)


def test_the_wheel_holds_code_and_data_files(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    folders = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert folders == set(PACKAGES)
    data = {str(p.relative_to(ROOT)) for folder in PACKAGES for p in (ROOT / folder).rglob("*.toml")}
    assert data
    assert data <= names


def test_layers_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("layer", ["schemas", "detectors"])
def test_pure_layers_import_no_clock_no_chance_and_no_io(layer: str) -> None:
    impure = {"asyncio", "httpx", "os", "random", "secrets", "socket", "sqlite3", "subprocess", "threading", "time"}
    found = set()
    for path in modules((layer,)):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found |= {(str(path.relative_to(ROOT)), name) for name in names if name.split(".")[0] in impure}
    assert found == set()
