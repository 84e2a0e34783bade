"""A temporary repository with one bug, and the tools with which an agent works on it. Everything here really runs."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic_ai import ModelRetry

MODULE: Final = "cart.py"
TEST_MODULE: Final = "test_cart.py"
BUG: Final = "    return subtotal + subtotal * discount"
FIX: Final = "    return subtotal - subtotal * discount"

CART: Final = f'''"""Prices of a shopping cart."""


def total(prices: list[float], discount: float = 0.0) -> float:
    """The sum of the prices after a discount between 0 and 1."""
    subtotal = sum(prices)
{BUG}
'''

TESTS: Final = """import unittest

from cart import total


class TotalTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(total([10.0, 5.0]), 15.0)

    def test_discount(self):
        self.assertEqual(total([10.0, 10.0], discount=0.25), 15.0)
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A repository in a folder; its methods are the agent's tools."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Workspace:
        """Write the repository with its bug."""
        root.mkdir(parents=True)
        (root / MODULE).write_text(CART)
        (root / TEST_MODULE).write_text(TESTS)
        return cls(root)

    async def read_file(self, path: str) -> str:
        """Read a file of the repository."""
        return self._inside(path).read_text()

    async def edit_file(self, path: str, old: str, new: str) -> str:
        """Replace `old`, which must occur once in the file, by `new`."""
        file = self._inside(path)
        text = file.read_text()
        if text.count(old) != 1:
            raise ModelRetry(f"edit refused: the old text occurs {text.count(old)} times in {path}, not once")
        file.write_text(text.replace(old, new))
        return f"edited {path}"

    async def run_tests(self, file: str) -> str:
        """Run a file of tests and return what they print."""
        target = self._inside(file)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-B", "-m", "unittest", "-q", target.name),
            cwd=self.root,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        # The folder is a fresh one for each run; the model need not know it.
        text = printed.decode().replace(str(self.root), ".")
        return f"exit code {process.returncode}\n{re.sub(r'-{20,}|={20,}', '---', text)}"

    def _inside(self, path: str) -> Path:
        file = (self.root / path).resolve()
        if not file.is_relative_to(self.root.resolve()) or not file.is_file():
            raise ModelRetry(f"there is no file {path} in the repository")
        return file
