"""Rules that change while a process runs: read again when a file changes, or at SIGHUP.

A set is taken whole or not at all: where one file is wrong, the last good set goes on, and the file, its key and the
reason are said once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from detectors.catalog import Detectors, build
from detectors.rules import RuleSet
from pipeline.assembly import rule_set
from schemas.errors import RuleError

LOOK_S: Final = 2.0
"""How often files are looked at."""

Stamp = frozenset[tuple[str, int, int]]
"""Name, time of the last change in ns and size of each file."""


class RulesWatch:
    """Follows a folder of rules ("" = those that come with Telltale, which do not change) and a file of tools."""

    def __init__(
        self, folder: str, say: Callable[[str], None] = lambda text: print(text, file=sys.stderr), tools_file: str = ""
    ) -> None:
        """Read the rules for the first time; raises RuleError. `tools_file`: what is known of the user's own tools."""
        self._folder = Path(folder).expanduser() if folder else None
        self._tools_file = tools_file
        self._say = say
        self._stamp = self._now()
        self._rules = rule_set(self._folder, self._tools_file)
        self.detectors = build(self._rules)
        """Of the last good set."""
        self._use: Callable[[Detectors], None] = lambda detectors: None
        self._asked = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def start(self, use: Callable[[Detectors], None]) -> None:
        """Tell `use` of every new set, until `stop`."""
        self._use = use
        self._looking = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    def look(self) -> None:
        """Read the rules now, changed or not."""
        self._asked.set()

    async def _look(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_S if self._folder or self._tools_file else None)
            except TimeoutError:
                stamp = await asyncio.to_thread(self._now)
                if stamp == self._stamp:
                    continue
            self._asked.clear()
            self.take()

    def take(self) -> bool:
        """Read the rules again; False: they were refused, and the last good ones go on."""
        self._stamp = self._now()
        try:
            rules = rule_set(self._folder, self._tools_file)
            _refuse_another_detector(self._rules, rules)
            self.detectors = build(rules)
        except RuleError as error:
            self._say(f"rules not taken, the last good ones go on: {error}")
            return False
        self._rules = rules
        self._use(self.detectors)
        self._say(f"rules taken: {', '.join(f'{rule.name} ({rule.mode})' for rule in rules.rules)}")
        return True

    def _now(self) -> Stamp:
        found = []
        try:
            files = [file for file in self._folder.iterdir() if file.suffix == ".toml"] if self._folder else []
            for file in [*files, Path(self._tools_file).expanduser()] if self._tools_file else files:
                status = file.stat()
                found.append((str(file), status.st_mtime_ns, status.st_size))
        except OSError:
            return frozenset()  # `rule_set` says why it cannot be read
        return frozenset(found)


def _refuse_another_detector(old: RuleSet, new: RuleSet) -> None:
    """What a detector remembers is no other detector's."""
    before = {rule.name: rule.detector for rule in old.rules}
    for rule in new.rules:
        if before.get(rule.name, rule.detector) != rule.detector:
            raise RuleError(
                f"{rule.file}: detector: rule {rule.name!r} used {before[rule.name]!r}, and now names "
                f"{rule.detector!r}: rename the rule, or restart"
            )
