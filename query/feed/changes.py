"""What changed between two revisions of one finding."""

from __future__ import annotations

from typing import Any, Final, Literal

Event = Literal["opened", "updated", "resolved", "reopened"]

LEFT_OUT: Final = frozenset({"schema", "id", "fingerprint", "revision", "reason", "why", "next"})
"""Fields that are the same in all revisions, or that only say in words what others say."""


def event(before: dict[str, Any] | None, after: dict[str, Any]) -> Event:
    """What this revision is to somebody who knows the one before (None: none)."""
    if after["status"] == "resolved":
        return "resolved"
    if before is None:
        return "opened"
    return "reopened" if before["status"] == "resolved" else "updated"


def changed(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """Field -> [before, after], for the fields that differ; of evidence only how much there is.

    Fields inside `series` and `wasted` have dotted names.
    """
    if before is None:
        return {}
    old, new = _flat(before), _flat(after)
    return {name: [old.get(name), new[name]] for name in new if old.get(name) != new[name]}


def _flat(finding: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in finding.items():
        if name in LEFT_OUT:
            continue
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = len(value) if name == "evidence" else value
    return flat
