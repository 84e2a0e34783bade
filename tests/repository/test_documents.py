"""What is declared is documented, and the generated pages are not stale."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from detectors.rules import load_rules
from pipeline.redaction.patterns import PATTERNS
from pipeline.sessions.dialects import DIALECTS
from pipeline.settings import Settings
from schemas.metrics import METRICS
from schemas.tables import TABLES, VIEWS
from schemas.topics import TOPICS

ROOT = Path(__file__).parents[2]


def generator() -> ModuleType:
    """docs/generate.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = generator()


@pytest.mark.parametrize("name", sorted(GENERATED.PAGES))
def test_generated_pages_are_not_stale(name: str) -> None:
    assert (ROOT / name).exists(), "run `make docs`"
    assert (ROOT / name).read_text() == GENERATED.PAGES[name](), "run `make docs`"


def test_no_page_is_left_of_what_is_gone() -> None:
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "reference").glob("*.md")}
    assert pages == {name for name in GENERATED.PAGES if name.startswith("docs/reference/")}


def documented(page: str, names: list[str]) -> list[str]:
    """Those names that the page does not have in backquotes."""
    text = (ROOT / "docs" / page).read_text()
    return [name for name in names if f"`{name}`" not in text]


def test_every_topic_is_documented() -> None:
    assert documented("reference/topics.md", [topic.name for topic in TOPICS]) == []


def test_every_metric_is_documented() -> None:
    assert documented("reference/metrics.md", [metric.name for metric in METRICS]) == []


def test_every_dialect_is_documented() -> None:
    assert documented("reference/dialects.md", list(DIALECTS)) == []


def test_every_kind_of_secret_is_documented() -> None:
    assert documented("reference/redaction.md", [pattern.kind for pattern in PATTERNS]) == []


def test_every_setting_is_documented() -> None:
    assert documented("reference/settings.md", [field.name for field in dataclasses.fields(Settings)]) == []


def test_every_rule_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "rules.md").read_text()
    files = {path.name: path.read_text() for path in (ROOT / "detectors" / "rules").glob("*.toml")}
    assert [rule.name for rule in load_rules(files).rules if f"## {rule.name}\n" not in text] == []


def test_every_table_and_view_is_documented() -> None:
    text = (ROOT / "docs" / "tables.md").read_text()
    names = [table.name for table in TABLES] + [view.name for view in VIEWS]
    assert [name for name in names if f"## {name}\n" not in text] == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/redaction.md"])
def test_paths_in_the_documents_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    if page == "README.md":  # its indented blocks are what programs printed
        text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    folders = "schemas|detectors|sinks|pipeline|query|cli|demo|benchmarks|tests|docs|deploy"
    named = set(re.findall(rf"(?<![\w./-])((?:{folders})/[\w./-]*[\w-])", text))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
