"""`telltale findings`: the list, or one in full."""

from __future__ import annotations

from typing import Any, Final

from cli import render
from cli.exits import of_search, telling
from cli.follow import FOLLOW_OPTIONS, or_follow
from cli.reading import Verdict, reading_command


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    return render.finding_lines(answer["finding"]) if "finding" in answer else _list(answer)


def _list(answer: dict[str, Any]) -> list[str]:
    rows = answer["findings"]
    if not rows:
        return ["no findings"]
    shown = []
    for finding in rows:
        shown.append(
            f"{finding['severity']:8}  {_state(finding):8}  {render.moment(finding['last_seen'])}  "
            f"{render.cut(finding['rule'], 30)}  {render.cut(render.where(finding))}"
        )
        shown.append(f"          {render.cut(finding['untrusted']['why'], 200)}  [{render.printable(finding['id'])}]")
    shown.append(f"{len(rows)} of {answer['total']} findings; in full: telltale findings ID")
    return shown


def _state(finding: dict[str, Any]) -> str:
    """What the detector says, or what somebody decided where that holds."""
    return str(finding["state"] if finding.get("decision", {}).get("holds") else finding["status"])


def status(answer: dict[str, Any]) -> int:
    """By whether there are any."""
    return of_search(answer.get("finding") or answer.get("findings"), answer["coverage"]["complete"])


MEANING: Final = telling("something was found", "nothing was, and not everything was judged")
findings = reading_command("findings", lines, Verdict(status, MEANING, always=False), more=FOLLOW_OPTIONS)
or_follow(findings)
