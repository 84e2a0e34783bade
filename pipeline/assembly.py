"""Settings and files to the parts that a stream or a replay is made of."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from detectors.catalog import Detectors, build
from detectors.loops.policies import add_text
from detectors.rules import RuleSet, load_rules
from pipeline.normalize import Normalizer
from pipeline.redaction import RedactionPolicy, Redactor
from pipeline.sessions import SessionModel, load_all
from pipeline.settings import Settings
from schemas.errors import RuleError, SettingsError
from schemas.prices import Prices
from schemas.prices import parse as parse_prices

POLICIES: Final = "tool_policies.toml"
PRICES: Final = "prices.toml"
OFF: Final = "off"


def normalizer(settings: Settings) -> Normalizer:
    """A normalizer with every dialect, the settings' redaction and prices; raises SettingsError."""
    policy = RedactionPolicy(emails=settings.redaction == "secrets+email", enabled=settings.redaction != "off")
    redactor = Redactor(policy)
    return Normalizer(SessionModel(load_all(), redactor, prices(settings.prices_file)), redactor, settings.max_series)


def prices(file: str = "") -> Prices | None:
    """The prices that come with Telltale, and over them those of a file; `off`: None.

    Raises:
        SettingsError: the file cannot be read, or is wrong.
    """
    if file == OFF:
        return None
    shipped = parse_prices(PRICES, (resources.files("schemas") / PRICES).read_text(encoding="utf-8"))
    if not file:
        return shipped
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"prices_file {file}: cannot be read: {error}") from error
    return shipped.merged(parse_prices(file, text))


def detectors(rules_dir: Path | None = None, tools_file: str = "") -> Detectors:
    """The detectors of the rules that come with Telltale, or of those in a folder.

    Raises:
        RuleError: a file is wrong, or the folder holds no rule.
    """
    return build(rule_set(rules_dir, tools_file))


def rule_set(rules_dir: Path | None = None, tools_file: str = "") -> RuleSet:
    """The rules of a folder, or those that come with Telltale, and what a file says of the user's own tools.

    Raises:
        RuleError: naming file, key and reason.
    """
    rules = load_rules(rule_files(rules_dir))
    if tools_file:
        try:
            text = Path(tools_file).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RuleError(f"tools_file {tools_file}: cannot be read: {error}") from error
        add_text(rules.policies, tools_file, text)
    return rules


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
