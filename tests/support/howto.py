"""The commands, files and programs of a page that says how something is done, to be run by a test."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.gateway_process import SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = SOURCE.parent / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"`([\w-]+\.\w+)`")


class Howto:
    """A page, whose fences are its parts; ``replaced`` has other words for some, as free ports for what it shows."""

    def __init__(self, name: str, replaced: Mapping[str, str]) -> None:
        text = (DOCS / name).read_text(encoding="utf-8")
        for shown, used in replaced.items():
            assert shown in text, f"{name} does not have {shown}"
            text = text.replace(shown, used)
        self._text = text

    def commands(self) -> list[str]:
        """What is to be written into a shell, in order."""
        return [block[2] for block in _BLOCK.finditer(self._text) if block[1] == "sh"]

    def fence(self, language: str) -> str:
        """The one fence of that language."""
        (block,) = (block[2] for block in _BLOCK.finditer(self._text) if block[1] == language)
        return block

    def write(self, folder: Path) -> None:
        """Write each file that the paragraph before its fence names first."""
        for block in _BLOCK.finditer(self._text):
            if block[1] != "sh":
                before = self._text[: block.start()].rstrip().rpartition("\n\n")[2]
                named = _NAME.search(before)
                assert named is not None, f"which file is this?\n{block[2]}"
                (folder / named[1]).write_text(block[2], encoding="utf-8")


async def shell(command: str, folder: Path) -> str:
    """Run a command as somebody would who has this version installed; return what it prints, after it went well."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", command), cwd=folder, env={**os.environ, "PATH": path},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, printed.decode()
    return printed.decode()
