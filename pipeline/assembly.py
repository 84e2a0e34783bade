"""Settings and files to the parts that a stream or a replay is made of."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from detectors.catalog import Detectors, build
from detectors.rules import load_rules
from pipeline.normalize import Normalizer
from pipeline.redaction import RedactionPolicy, Redactor
from pipeline.sessions import SessionModel, load_all
from pipeline.settings import Settings
from schemas.errors import RuleError

POLICIES: Final = "tool_policies.toml"


def normalizer(settings: Settings) -> Normalizer:
    """A normalizer with every dialect and the settings' redaction."""
    policy = RedactionPolicy(emails=settings.redaction == "secrets+email", enabled=settings.redaction != "off")
    redactor = Redactor(policy)
    return Normalizer(SessionModel(load_all(), redactor), redactor, settings.max_series)


def detectors(rules_dir: Path | None = None) -> Detectors:
    """The detectors of the rules that come with Telltale, or of those in a folder.

    Raises:
        RuleError: a file is wrong, or the folder holds no rule.
    """
    return build(load_rules(rule_files(rules_dir)))


def rule_files(rules_dir: Path | None = None) -> dict[str, str]:
    """File name -> text of every `.toml` in the folder; None: the rules that come with Telltale.

    What is known of tools comes along unless the folder has a `tool_policies.toml` of its own.
    """
    shipped = resources.files("detectors") / "rules"
    folder = rules_dir if rules_dir is not None else shipped
    try:
        files = {one.name: one.read_text(encoding="utf-8") for one in folder.iterdir() if one.name.endswith(".toml")}
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{rules_dir}: cannot be read: {error}") from error
    if not files.keys() - {POLICIES}:
        raise RuleError(f"{rules_dir}: holds no rule (*.toml)")
    files.setdefault(POLICIES, (shipped / POLICIES).read_text(encoding="utf-8"))
    return files
