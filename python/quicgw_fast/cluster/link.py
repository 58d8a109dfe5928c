"""The connection to the directory: the only place that knows its client library.

One connection, on which what is asked in one turn of the loop goes out together, and one stream of answers. So what is
written earlier is done earlier, a failover cannot split what belongs together over two servers, and which server
answers is known by its *run*, an id that each start of a server has anew.

An answer has its time; after that the connection is given up, all who wait are told, and what is asked from then on
fails at once until there is another one. Nobody ever waits for a directory that is known to be away.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.cluster.scripts import ALL
from quicgw_fast.errors import StartupError, needs_extra
from quicgw_fast.observe import Unit
from quicgw_fast.observe.repeats import RepeatLog

with needs_extra("cluster", "the directory"):
    from valkey import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valkey.asyncio.connection import AbstractConnection

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.address import DirectoryAddress
    from quicgw_fast.cluster.scripts import AtomicScript
    from quicgw_fast.observe import Metrics

SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts to connect, with jitter; whoever has a short lease needs shorter ones."""
MOST_TOGETHER: Final = 1024
"""Questions that go out together at most: the time for an answer is that of all of them."""
START_WITHIN: Final = 5.0
"""Seconds for the first connection, for which the start of the gateway waits."""
_NO_DATABASE: Final = "DB index is out of range"
"""What a server says."""
_CLOSED: Final = "Connection closed by server"
"""What the client library says."""
_TOO_OLD: Final = "is too old: Valkey 8 or Redis 7 is needed"

_log = logging.getLogger("quicgw.cluster")


class DirectoryUnavailable(Exception):
    """The directory cannot be asked now; the message says why. What was asked may have been done."""


class DirectoryUnusable(StartupError):
    """The directory is there, and cannot be used as it is."""


class Server(NamedTuple):
    """Who answers."""

    address: str
    kind: str
    """``valkey`` or ``redis``."""
    version: str
    run: str
    """Of this start of the server."""
    connection: int
    """Which connection of ours this is, counted from 1."""


class _Asked(NamedTuple):
    command: tuple[str | bytes | int, ...]
    answer: asyncio.Future[object]


class DirectoryLink:
    """Asks the directory, from ``start`` to ``close``."""

    def __init__(
        self,
        address: DirectoryAddress,
        clock: Clock,
        metrics: Metrics,
        *,
        answer_within: float,
        longest_pause: float = LONGEST_PAUSE,
        changed: Callable[[], None],
        scripts: Sequence[AtomicScript] = ALL,
        use: str = "claims",
    ) -> None:
        """``answer_within`` and ``longest_pause`` (between two attempts to connect) are seconds; ``changed`` is called
        when the directory is found, and when it is lost. ``scripts`` are those that are asked for, and ``use`` is what
        for, as the log has it.
        """
        self._address = address
        self._now = clock.now
        self._within = answer_within
        self._longest_pause = longest_pause
        self._changed = changed
        self._scripts = scripts
        self._use = use
        self._connection: AbstractConnection | None = None
        self._server: Server | None = None
        self._connections = 0
        self._waiting: list[_Asked] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._why = "it has not been connected to yet"
        self._lost_at = 0.0
        self._repeats = RepeatLog(_log)
        self._took = metrics.duration("directory_call", "Of what the directory was asked together, until it answered")
        self._count_lost = metrics.counter("directory_losses", "Times that the directory became unreachable")
        self._count_attempts = metrics.counter("directory_attempts", "Attempts to connect to the directory that failed")
        metrics.gauge("directory_up", "Whether the directory answers", lambda: self.up, Unit.FLAG)

    @property
    def up(self) -> bool:
        """Whether it can be asked."""
        return self._server is not None

    @property
    def server(self) -> Server | None:
        """Who answers; None while nobody does."""
        return self._server

    @property
    def why(self) -> str:
        """Why it cannot be asked."""
        return self._why

    async def start(self) -> Server:
        """Connect, once; raises DirectoryUnusable, with what to do, where that fails. Then stay connected."""
        try:
            await self._connect(START_WITHIN)
        except DirectoryUnavailable as error:
            told = f"the directory {self._address} cannot be reached ({error})"
            raise DirectoryUnusable(f"{told}; {_remedy(self._address, error)}") from error
        self._task = asyncio.create_task(self._run(), name="directory-link")
        assert self._server is not None
        return self._server

    async def close(self) -> None:
        """Ask no more; idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._give_up("it is not asked any more")

    def ask(self, script: AtomicScript, keys: Sequence[str], *arguments: str | bytes | int) -> asyncio.Future[object]:
        """Run a script; the future raises DirectoryUnavailable where there is no answer."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self._server is None:
            answer.set_exception(DirectoryUnavailable(self._why))
        else:
            self._waiting.append(_Asked(("EVALSHA", script.sha, len(keys), *keys, *arguments), answer))
            self._wake.set()
        return answer

    # One connection

    async def _connect(self, within: float) -> None:
        """Raises DirectoryUnavailable where another attempt may help, DirectoryUnusable where none will."""
        try:
            async with asyncio.timeout(within):
                connection = await self._address.open()
                self._connections += 1
                try:
                    about = str(self._address), self._scripts, self._connections
                    self._server = await _introduced(connection, *about)
                except BaseException:
                    await connection.disconnect(nowait=True)
                    raise
                self._connection = connection
        except TimeoutError as error:
            raise DirectoryUnavailable(f"no answer within {within:g} s") from error
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
            remedy = "look at the user and the password in cluster.url"
            raise DirectoryUnusable(f"the directory {self._address} refused us ({error}); {remedy}") from error
        except exceptions.InvalidResponse as error:
            told = f"what answers at {self._address} is neither Valkey nor Redis ({error})"
            raise DirectoryUnusable(f"{told}; change cluster.url") from error
        except (exceptions.ValkeyError, OSError) as error:
            if _NO_DATABASE in str(error):
                told = f"the directory {self._address} has no database of that number ({error})"
                raise DirectoryUnusable(f"{told}; change the number in cluster.url, or leave it out") from error
            raise DirectoryUnavailable(str(error)) from error

    async def _give_up(self, why: str) -> None:
        connection, self._connection, self._server = self._connection, None, None
        self._why = why
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            _fail(asked, why)
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _run(self) -> None:
        while True:
            if self._connection is None:
                await self._reconnect()
            await self._wake.wait()
            self._wake.clear()
            asked, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            if self._waiting:
                self._wake.set()
            if asked and self._connection is not None:
                try:
                    await self._together(self._connection, asked)
                except Exception:
                    # A fault of the program, which must leave nobody waiting.
                    _log.exception("directory not asked")
                    for each in asked:
                        _fail(each, "of an internal error")
                    await self._lost("internal error")

    async def _together(self, connection: AbstractConnection, asked: list[_Asked]) -> None:
        began = self._now()
        try:
            async with asyncio.timeout(self._within):
                await connection.send_packed_command([b"".join([_packed(each.command) for each in asked])])
                answers = [await _answer(connection) for _ in asked]
        except (exceptions.ValkeyError, OSError) as error:
            why = str(error) or f"no answer within {self._within:g} s"
            for each in asked:
                _fail(each, why)
            await self._lost(why)
            return
        except asyncio.CancelledError:
            for each in asked:
                _fail(each, "it is not asked any more")
            raise
        self._took.observe(self._now() - began)
        for each, answer in zip(asked, answers, strict=True):
            if isinstance(answer, exceptions.ResponseError):
                # A replica that was a primary, a server whose scripts were flushed: the next connection finds out.
                _fail(each, str(answer))
                await self._lost(str(answer))
            elif not each.answer.done():
                each.answer.set_result(answer)

    async def _lost(self, why: str) -> None:
        if self._server is None:
            return
        await self._give_up(why)
        self._lost_at = self._now()
        self._count_lost.value += 1
        _log.warning("directory lost", extra={"directory": str(self._address), "use": self._use, "reason": why})
        self._changed()

    async def _reconnect(self) -> None:
        pause = SHORTEST_PAUSE
        while self._connection is None:
            try:
                await self._connect(self._within)
            except (DirectoryUnavailable, DirectoryUnusable) as error:
                self._why = str(error)
                self._count_attempts.value += 1
                fields = {"directory": str(self._address), "use": self._use, "reason": self._why}
                self._repeats.add(logging.WARNING, "directory unreachable", self._why, self._now(), fields)
                # Not all nodes at the same moment, when the directory is back.
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, self._longest_pause)
        assert self._server is not None
        away = round(self._now() - self._lost_at, 3)
        who = {"directory": str(self._address), "use": self._use, "run": self._server.run}
        _log.info("directory found", extra={**who, "seconds": away})
        self._changed()


def _remedy(address: DirectoryAddress, error: DirectoryUnavailable) -> str:
    """What to do where nobody answers as a directory does; a server without TLS says nothing to who asks for it."""
    if address.is_tls:
        return "start it with TLS and a certificate that this machine trusts, or change cluster.url"
    why = error.__cause__
    if isinstance(why, TimeoutError) or _CLOSED in str(why):
        return "see that Valkey or Redis listens there, without TLS (with it: valkeys://), or change cluster.url"
    return "start it, or change cluster.url"


def _packed(command: tuple[str | bytes | int, ...]) -> bytes:
    """Encode a command (RESP 2, arrays of bulk strings), in a seventh of the time that the client library takes."""
    parts = [b"*%d\r\n" % len(command)]
    for each in command:
        data = each if isinstance(each, bytes) else str(each).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _fail(asked: _Asked, why: str) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(DirectoryUnavailable(why))
        asked.answer.exception()  # who asked may have gone


async def _answer(connection: AbstractConnection) -> object:
    """One answer; that of a script that failed is an error, which is no reason to stop reading."""
    try:
        answer: object = await connection.read_response(disconnect_on_error=False)
    except exceptions.ResponseError as error:
        return error
    return answer


async def _introduced(
    connection: AbstractConnection, address: str, scripts: Sequence[AtomicScript], number: int
) -> Server:
    """Who answers there; raises DirectoryUnusable for one that cannot be used. The scripts are loaded afterwards."""
    about: dict[str, str] = {}
    for section in ("server", "replication", "cluster"):
        await connection.send_command("INFO", section)
        text = (await connection.read_response()).decode()
        about.update(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if "sentinel" in (about.get("server_mode"), about.get("redis_mode")):
        told = f"what answers at {address} is a Sentinel, which keeps nothing itself"
        raise DirectoryUnusable(f"{told}; write sentinel://HOST:PORT/SERVICE as cluster.url to be led by it")
    kind = about.get("server_name", "redis")
    version = about.get("valkey_version") or about["redis_version"]
    if int(version.split(".")[0]) < (8 if kind == "valkey" else 7):
        raise DirectoryUnusable(f"the directory {address} is {kind} {version}, which {_TOO_OLD}; upgrade it")
    if about.get("cluster_enabled") == "1":
        told = f"the directory {address} is one of a cluster of servers, over which its keys cannot be spread"
        raise DirectoryUnusable(f"{told}; name a single server, or one with Sentinels")
    if about["role"] != "master":
        raise exceptions.ReadOnlyError(f"{address} is a replica")
    for script in scripts:
        await connection.send_command("SCRIPT", "LOAD", script.text)
        await connection.read_response()
    return Server(address, kind, version, about["run_id"], number)
