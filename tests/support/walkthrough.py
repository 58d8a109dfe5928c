"""Does what a page of the documentation says, in an empty folder, as its reader would.

A block of code with a title is a file of that name. A block ``sh`` is typed into the reader's terminal, and what it
prints is the block ``text`` behind it, if there is one; ``sh title="another terminal"`` goes on running in a terminal
of its own, and the page goes on when the lines of the block ``text`` have appeared there; ``text title="there"`` is
what that terminal shows later. In a block ``text``, … is anything, and a number of four or five digits any port.

Two things differ from what the reader does. ``pip install`` lends the packages of the environment that runs the tests
(``lend.py``). And the gateway listens on any free ports: where the page names those by default, in code and commands,
the actual ones are put in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import site
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import toolchains
from tests.support.gateway_process import READY, SOURCE

if TYPE_CHECKING:
    from types import TracebackType

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
ANOTHER_TERMINAL, THERE = "another terminal", "there"
PATIENCE = 60.0
"""Seconds for whatever a page does, unless it has to compile."""
_DEFAULTS = ("127.0.0.1:8443", "127.0.0.1:8092", "127.0.0.1:8080")
_OPTIONS = {"quicgw call": 0, "quicgw push": 1}
_NAMED = ("--server", "--gateway")


@dataclass(frozen=True)
class Block:
    """One block of code."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """All blocks of a page that mean something to the reader who goes along; diagrams do not."""
    found = [Block(*match.groups(default="")) for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return [block for block in found if block.language != "mermaid"]


class Walkthrough:
    """A reader in a folder, with terminals."""

    def __init__(self, folder: Path, patience: float = PATIENCE, *, installed: bool = False) -> None:
        """``patience``: seconds for each block; ``installed``: for a page that does not say how to install anything."""
        self._patience = patience
        self._first = Path(sys.executable).parent if installed else Path(sys.base_prefix) / "bin"
        self._folder = folder
        self._addresses: list[str] = []
        self._terminals: list[asyncio.subprocess.Process] = []
        self._shell: asyncio.subprocess.Process

    async def __aenter__(self) -> Walkthrough:
        self._shell = await self._bash("-s")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for terminal in reversed([self._shell, *self._terminals]):
            await self._end(terminal)

    async def follow(self, page: Path) -> None:
        """Do all that the page says; AssertionError where something else comes of it."""
        todo = blocks(page)
        for number, block in enumerate(todo):
            behind = todo[number + 1] if number + 1 < len(todo) else None
            expected = behind.text if behind is not None and (behind.language, behind.title) == ("text", "") else None
            if block.title == ANOTHER_TERMINAL:
                assert expected is not None, f"what appears there?\n{block.text}"
                await self._begin(block.text, expected)
            elif block.title == THERE:
                await self._appears(self._terminals[-1], block.text)
            elif block.title:
                path = self._folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._placed(block.text), encoding="utf-8")
            elif block.language == "sh":
                await self._type(block.text, expected)
            else:
                assert block.language == "text", f"what is the reader to do with this?\n{block.text}"

    async def stop_last(self) -> None:
        """Ctrl-C in the terminal that was opened last."""
        await self._end(self._terminals.pop())

    async def _type(self, text: str, expected: str | None) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f'{self._placed(text)}\necho "walked: $?"\n'.encode())
        await self._shell.stdin.drain()
        told = await self._read_until(self._shell, re.compile(r"^walked: (\d+)$"), self._patience)
        if expected is None:
            assert told[-1] == "walked: 0", f"{text}\n" + "\n".join(told)
        else:
            assert matches(expected, told[:-1]), f"{text}\nprints\n" + "\n".join(told[:-1]) + f"\nand not\n{expected}"

    async def _begin(self, text: str, expected: str) -> None:
        # What was activated and exported in the first terminal is so in this one, too.
        before = self._folder / ".environment"
        await self._type(f"export -p > {before}", None)
        terminal = await self._bash("-c", f". {before}\n{self._placed(text)}")
        self._terminals.append(terminal)
        await self._appears(terminal, expected)

    async def _appears(self, terminal: asyncio.subprocess.Process, expected: str) -> None:
        for line in expected.splitlines():
            told = await self._read_until(terminal, pattern(line), self._patience)
            if found := READY.match(told[-1]):
                self._addresses = list(found.groups())

    async def _bash(self, *arguments: str) -> asyncio.subprocess.Process:
        free = dict.fromkeys(("QUICGW_SERVER__QUIC", "QUICGW_SERVER__GRPC", "QUICGW_SERVER__ADMIN"), "127.0.0.1:0")
        path = os.pathsep.join((str(self._first), toolchains.GO["GOBIN"], os.environ["PATH"]))
        lent = os.pathsep.join((str(SOURCE), site.getsitepackages()[0]))
        environment = {**os.environ, **toolchains.GO, **toolchains.NPM, **free, "PATH": path, "PYTHONUNBUFFERED": "1"}
        environment |= {"WALKTHROUGH_PACKAGES": lent, "GRPC_VERBOSITY": "ERROR"}
        environment.pop("PYTHONPATH", None)
        return await asyncio.create_subprocess_exec(
            "bash", *arguments, cwd=self._folder, env=environment, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def _read_until(
        self, process: asyncio.subprocess.Process, line: re.Pattern[str], seconds: float
    ) -> list[str]:
        """What a terminal shows up to a line; AssertionError when it ends, or takes too long."""
        assert process.stdout is not None
        told: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while raw := await process.stdout.readline():
                    told.append(raw.decode().rstrip("\n"))
                    if line.search(told[-1]):
                        return told
        raise AssertionError(f"no line {line.pattern!r} in\n" + "\n".join(told))

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for number, seconds in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), seconds)
                return

    def _placed(self, text: str) -> str:
        """The text with what differs for this reader."""
        lend = f'python "{Path(__file__).parent / "lend.py"}"'
        text = re.sub(r"^pip install .*$", lambda _: lend, text, flags=re.MULTILINE)
        for written, actual in zip(_DEFAULTS, self._addresses, strict=False):
            text = text.replace(written, actual)
        for command, which in _OPTIONS.items():
            if self._addresses:
                option = f"{_NAMED[which]} {self._addresses[which]}"
                text = re.sub(rf"^({command}\b.*)$", lambda m, o=option: f"{m[1]} {o}", text, flags=re.MULTILINE)  # type: ignore[misc]
        return text


def pattern(line: str) -> re.Pattern[str]:
    """What a line of a page means: … is anything, and so is a port."""
    text = re.escape(line).replace("…", ".*")
    return re.compile(f"^{re.sub(r'(?<=:)[0-9]{4,5}', '[0-9]+', text)}$")


def matches(expected: str, told: list[str]) -> bool:
    """Whether that was printed, line by line."""
    wanted = expected.rstrip("\n").splitlines()
    return len(wanted) == len(told) and all(
        pattern(want.rstrip()).match(got.rstrip()) for want, got in zip(wanted, told, strict=True)
    )
