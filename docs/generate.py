"""Write docs/reference and docs/tables.md from what the code declares: `make docs`. A test fails on stale pages."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from detectors.rules import Rule, load_rules
from pipeline.redaction.patterns import EMAIL, PATTERNS
from pipeline.sessions.dialects import DIALECTS
from pipeline.settings import BOUNDS, Settings
from pipeline.settings_sources import FILE_VARIABLE, PREFIX
from query.openapi import page as openapi
from schemas.metrics import AGENT_METRIC_PREFIXES, METRICS
from schemas.tables.document import markdown as tables
from schemas.topics import TOPICS

ROOT: Final = Path(__file__).parents[1]
NOTE: Final = "<!-- Written by `make docs`. Change the declaration named below, not this page. -->"


def page(title: str, source: str, *parts: str) -> str:
    """A page with its title, where it comes from, and its parts."""
    return "\n\n".join([f"# {title}", NOTE, f"Declared in `{source}`.", *parts]) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def topics() -> str:
    """The topics of the log."""
    rows = [[f"`{t.name}`", t.key, t.holds, "raw, not redacted" if t.raw else "redacted"] for t in TOPICS]
    return page("Topics", "schemas/topics.py", table(["topic", "key", "a message holds", "secrets"], rows))


def metrics() -> str:
    """The Prometheus metrics."""
    rows = [[f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.help] for m in METRICS]
    prefixes = ", ".join(f"`{prefix}*`" for prefix in AGENT_METRIC_PREFIXES)
    agents = (
        f"Agents' own metrics ({prefixes}) stand beside these under their Prometheus names, cumulative, milliseconds "
        "as seconds, with a bounded set of labels."
    )
    return page("Metrics", "schemas/metrics.py", table(["metric", "kind", "labels", "meaning"], rows), agents)


def dialects() -> str:
    """The dialects, in the order in which they are tried."""
    rows = []
    for name in DIALECTS:
        declared = _toml(ROOT / "schemas" / "dialects" / f"{name}.toml")
        facts = sorted({rule["fact"].replace("_", " ") for rule in declared["rules"]} - {"ignore"})
        rows.append([f"`{name}`", declared["title"], ", ".join(facts), str(len(declared.get("examples", [])))])
    return page(
        "Dialects",
        "schemas/dialects/*.toml",
        "In the order in which they are tried. What no dialect knows is stored as it came.",
        table(["dialect", "producer", "makes", "examples"], rows),
    )


def redaction() -> str:
    """The kinds of secrets."""
    kinds = [f"- `{pattern.kind}`" for pattern in (*PATTERNS, EMAIL)]
    off = "`email` is off unless it is asked for. Each stands as `[REDACTED:kind]` where a secret stood."
    return page("Redaction", "pipeline/redaction/patterns.py", "\n".join(kinds), off)


def settings() -> str:
    """The settings, with their meaning, default and bounds."""
    meanings = _field_docstrings(ROOT / "pipeline" / "settings.py", "Settings")
    rows = []
    for field in dataclasses.fields(Settings):
        low_high = BOUNDS.get(field.name)
        bounds = f"{low_high[0]:,} to {low_high[1]:,}" if low_high else ""
        # The folder's default depends on whose machine it is; the docstring tells it in words.
        default = "" if isinstance(field.default, Path) or field.default == "" else f"`{field.default}`"
        rows.append([f"`{field.name}`", default, bounds, meanings[field.name]])
    sources = (
        f"From the last to the first that counts: the default, a TOML file with these names as keys (named by "
        f"`{FILE_VARIABLE}`), an environment variable (`{PREFIX}DATA_DIR` for `data_dir`, and so on), a flag of the "
        "command where it has one. A wrong value is refused. Sizes may be written as `64MiB`."
    )
    return page("Settings", "pipeline/settings.py", sources, table(["setting", "default", "from, to", "meaning"], rows))


def rules() -> str:
    """The rules with their runbooks and parameters."""
    files = {path.name: path.read_text() for path in sorted((ROOT / "detectors" / "rules").glob("*.toml"))}
    return page("Rules", "detectors/rules/*.toml", *map(_rule, load_rules(files).rules))


def _rule(rule: Rule) -> str:
    rows = [
        [f"`{f.name}`", f"`{_plain(getattr(rule.parameters, f.name))}`"] for f in dataclasses.fields(rule.parameters)
    ]
    alarms = "\n".join(f"- {' '.join(text.split())}" for text in rule.false_positives)
    parts = [
        f"## {rule.name}",
        f"`{rule.kind}`, {rule.mode}, {len(rule.tests)} tests in `{rule.file}`.",
        rule.description.strip(),
        f"**What to do.** {rule.runbook.strip()}",
        *([f"**Known false positives**\n\n{alarms}"] if alarms else []),
        table(["parameter", "value"], rows),
    ]
    return "\n\n".join(parts)


def _plain(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _field_docstrings(file: Path, class_name: str) -> dict[str, str]:
    """The string that follows each annotated field of a class."""
    tree = ast.parse(file.read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    found = {}
    for field, after in itertools.pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[field.target.id] = str(after.value.value)
    return found


def _toml(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/topics.md": topics,
    "docs/reference/metrics.md": metrics,
    "docs/reference/dialects.md": dialects,
    "docs/reference/redaction.md": redaction,
    "docs/reference/settings.md": settings,
    "docs/reference/rules.md": rules,
    "docs/tables.md": tables,
    "docs/openapi.json": openapi,
}


def main() -> int:
    """Write every page."""
    for name, write in PAGES.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(write())
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
