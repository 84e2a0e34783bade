"""Who is told: what a file and the settings may say, and what is refused with which repair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.notified import notified
from pipeline.settings import Settings
from query.notify.configuration import from_file
from schemas.errors import SettingsError

SECRET = "0123456789abcdef"
WHOLE = """
[[webhook]]
name = "triage"
url = "https://hooks.example.com/telltale"
secret_env = "TRIAGE_SECRET"
min_severity = "critical"
attempts = 3
timeout_s = 5

[[webhook]]
name = "ci"
url = "http://127.0.0.1:8080/"
secret = "fedcba9876543210"

[alertmanager]
url = "http://127.0.0.1:9093/prefix/"
resend_s = 30
"""


def test_a_file_says_who_is_told(tmp_path: Path) -> None:
    file = tmp_path / "notify.toml"
    file.write_text(WHOLE)
    found = from_file(file, {"TRIAGE_SECRET": SECRET})
    triage, ci = found.webhooks
    assert (triage.name, triage.secret, triage.min_severity, triage.attempts) == ("triage", SECRET, "critical", 3)
    assert (ci.secret, ci.min_severity) == ("fedcba9876543210", "warning")
    assert found.alertmanager is not None
    assert found.alertmanager.resend_s == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "cannot be read"),
        ("[hook]\n", "there is no 'hook'"),
        ("webhook = 3", r"write \[\[webhook\]\]"),
        ("webhook = [3]", r"write \[\[webhook\]\]"),
        ("alertmanager = 3", r"write \[\[webhook\]\]"),
        ('[[webhook]]\nname = "a"\nurl = "http://h/"', "secret is missing"),
        ('[[webhook]]\nname = "a"\nurl = 3\nsecret = "x"', "url = 3 is of the wrong type"),
        ('[[webhook]]\nname = "a"\nurl = "http://h/"\nsecret = "s"\nattempts = true', "attempts = True"),
        ('[[webhook]]\nname = "a"\nurl = "http://h/"\nsecret_env = "NONE"', "there is no such variable"),
        ('[[webhook]]\nname = "a"\nurl = "http://h/"\nsecret = "s"\nsecret_env = "S"', "not both"),
        ('[[webhook]]\nname = "a b"\nurl = "http://h/"\nsecret = "0123456789abcdef"', "cannot be the name"),
        (
            '[[webhook]]\nname = "a"\nurl = "http://h/"\nsecret = "0123456789abcdef"\n' * 2,
            "two webhooks are called 'a'",
        ),
        ('[[webhook]]\nname = "a"\nurl = "http://h/"\nsecret = "0123456789abcdef"\ncolour = "red"', "no 'colour'"),
        ("[alertmanager]\n", "url is missing"),
        ('[alertmanager]\nurl = "h:9093"', "no http:// or https:// address"),
        ('[alertmanager]\nurl = "http://h"\nresend_s = 0', "resend_s must be"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_repair(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "notify.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=said) as refused:
        from_file(file, {"S": SECRET})
    assert str(file) in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"webhook_url": "http://[fe80::1]/", "webhook_secret": SECRET}, "nothing is sent to fe80::1"),
        ({"webhook_url": "https://hooks.example.com/"}, "16 characters"),
        ({"webhook_url": "ftp://hooks.example.com/", "webhook_secret": SECRET}, "write https://HOST/PATH"),
        ({"webhook_secret": SECRET}, "webhook_url is not"),
        ({"alertmanager_url": "http://169.254.1.1:9093"}, "nothing is sent to 169.254.1.1"),
        ({"notify_min_severity": "worst"}, "suspect, warning or critical"),
        ({"notify_file": "/nonexistent"}, "cannot be read"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        notified(Settings(**settings))


def test_settings_and_file_add_up(tmp_path: Path) -> None:
    file = tmp_path / "notify.toml"
    file.write_text(WHOLE.replace('secret_env = "TRIAGE_SECRET"', f'secret = "{SECRET}"'))
    settings = Settings(
        webhook_url="https://h/", webhook_secret=SECRET, notify_file=str(file), alertmanager_url="http://127.0.0.1:1"
    )
    found = notified(settings)
    assert [one.name for one in found.webhooks] == ["triage", "ci", "default"]
    assert found.alertmanager is not None
    assert found.alertmanager.url == "http://127.0.0.1:1"
    assert SECRET not in repr(settings)


def test_nobody_is_told_where_nothing_is_said() -> None:
    found = notified(Settings())
    assert (found.webhooks, found.alertmanager) == ((), None)
