"""Skills: text that an agent loads when it has such a task, in `skills/*.md`, served as resources."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

SCHEME: Final = "skill://telltale/"
_HEAD: Final = re.compile(r"\A---\nname: (?P<name>[a-z-]+)\ndescription: (?P<description>[^\n]+)\n---\n")


class Skill(NamedTuple):
    """One skill."""

    name: str
    description: str
    """When to load it, in one sentence."""
    text: str
    """All of it, the head included."""

    @property
    def uri(self) -> str:
        """Under which it is read."""
        return SCHEME + self.name


@cache
def skills() -> tuple[Skill, ...]:
    """Every skill, by name. Raises ValueError where a file has no head: it comes with the package."""
    found = []
    for file in resources.files("skills").iterdir():
        if file.name.endswith(".md"):
            text = file.read_text(encoding="utf-8")
            head = _HEAD.match(text)
            if head is None or f"{head['name']}.md" != file.name:
                raise ValueError(f"skills/{file.name}: needs a head with its own name and a description")
            found.append(Skill(head["name"], head["description"], text))
    return tuple(sorted(found))
