"""Runs the ``quicgw`` command as a real process, and never leaves one behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from tests.support.parts import Parts

SOURCE = Path(__file__).resolve().parents[2] / "python"
READY = re.compile(r"^ready quic=(\S+) grpc=(\S+) admin=(\S+)$")
KEPT = 64 << 10
"""Bytes of standard error kept for failure messages: the last ones."""


def write_config(folder: Path, certificate: tuple[Path, Path], upstream: str, tables: str = "", port: int = 0) -> Path:
    """Write a configuration on loopback, with one service for everything; ``tables`` is more of it, as TOML."""
    path = folder / "gateway.toml"
    path.write_text(f"""
[server]
quic = "127.0.0.1:{port}"
grpc = "127.0.0.1:0"
admin = "127.0.0.1:0"
[tls]
cert = "{certificate[0]}"
key = "{certificate[1]}"
[upstream]
hello = ["{upstream}"]
business = ["{upstream}"]
zone = ["{upstream}"]
{tables}
""")
    return path


def is_alive(pid: int) -> bool:
    """Whether a process runs that need not be our child; one that nobody asked how it ended does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Ready(NamedTuple):
    """The addresses of the ``ready`` line (protocol §7)."""

    quic: tuple[str, int]
    grpc: str
    admin: str


class NotReadyError(RuntimeError):
    """The process ended, or took too long, before its ``ready`` line; the text has its standard error."""


class GatewayProcess:
    """One ``quicgw`` process. As a context manager it is started on entry and surely dead after exit."""

    def __init__(
        self,
        *arguments: str,
        parts: Parts | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        kept: int = KEPT,
    ) -> None:
        """``prefix`` is a command that executes the one behind it; ``kept`` are bytes of standard error."""
        self.arguments = arguments
        self._prefix = prefix
        self._kept = kept
        self.output: list[str] = []
        self.ready: Ready
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        if SOURCE.is_dir():
            paths = [str(SOURCE), self._environment.get("PYTHONPATH", "")]
            self._environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        if parts is not None:
            self._environment |= parts.environment
        self._errors = bytearray()
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._announced: asyncio.Future[Ready]

    @classmethod
    def dev(cls, *arguments: str, parts: Parts | None = None) -> GatewayProcess:
        """Prepare ``quicgw dev`` on free ports of 127.0.0.1."""
        free = "127.0.0.1:0"
        return cls("dev", "--quic", free, "--grpc", free, "--admin", free, *arguments, parts=parts)

    @classmethod
    def serve(
        cls, config: Path, *arguments: str, parts: Parts | None = None, prefix: Sequence[str] = ()
    ) -> GatewayProcess:
        """Prepare ``quicgw serve`` with a configuration file."""
        return cls("serve", "--config", str(config), *arguments, parts=parts, prefix=prefix)

    @property
    def errors(self) -> str:
        """The end of its standard error."""
        return self._errors.decode(errors="replace")

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal, None while it runs."""
        return None if self._process is None else self._process.returncode

    async def launch(self) -> None:
        """Start the process without waiting for anything."""
        self._announced = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            *self._prefix,
            sys.executable,
            "-m",
            "quicgw_fast.cli",
            *self.arguments,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        out, err = self._process.stdout, self._process.stderr
        assert out is not None
        assert err is not None
        self._readers = [
            asyncio.create_task(self._read_output(out)),
            asyncio.create_task(self._read_errors(err)),
        ]

    async def start(self, within: float = 40.0) -> Ready:
        """Start the process and wait for its ``ready`` line; NotReadyError when none comes in time."""
        await self.launch()
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        both: set[asyncio.Future[Any]] = {ended, self._announced}
        try:
            await asyncio.wait(both, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            why = f"exit status {self.status}" if ended.done() else f"no ready line within {within} s"
            ended.cancel()
            if not self._announced.done():
                await self.kill()
        if not self._announced.done():
            said = "".join(self.output) + self.errors
            raise NotReadyError(f"quicgw {' '.join(self.arguments)}: {why}\n{said}")
        self.ready = self._announced.result()
        return self.ready

    async def run(self, within: float = 20.0) -> int:
        """Start the process, wait for its end, and return its exit status."""
        await self.launch()
        return await self.wait(within)

    def terminate(self) -> None:
        """Send SIGTERM: the gateway should drain and exit with 0."""
        self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def wait(self, within: float = 20.0) -> int:
        """Wait for its end and return the exit status; TimeoutError, with its errors, when it goes on."""
        assert self._process is not None, "not started"
        try:
            async with asyncio.timeout(within):
                status = await self._process.wait()
        except TimeoutError:
            raise TimeoutError(f"process {self.pid} still runs after {within} s\n{self.errors}") from None
        await asyncio.gather(*self._readers)
        return status

    async def kill(self) -> None:
        """Kill it with SIGKILL and wait until it is gone. Harmless when it has ended."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            await self._process.wait()
            await asyncio.gather(*self._readers)

    async def __aenter__(self) -> GatewayProcess:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()
        if value is not None and self.errors:
            value.add_note(f"standard error of quicgw {' '.join(self.arguments)}:\n{self.errors}")

    async def _read_output(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            text = line.decode(errors="replace")
            self.output.append(text)
            found = READY.match(text.strip())
            if found and not self._announced.done():
                host, _, port = found[1].rpartition(":")
                self._announced.set_result(Ready((host, int(port)), found[2], found[3]))

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(4096):
            self._errors += data
            del self._errors[: -self._kept]
