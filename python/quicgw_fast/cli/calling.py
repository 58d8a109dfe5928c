"""The work of ``quicgw call``: a client that asks once and prints what comes, in the order of the numbers."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from quicgw_fast.cli.own_token import why_refused
from quicgw_fast.cli.printing import JsonPrinter, TextPrinter
from quicgw_fast.cli.statuses import Status
from quicgw_fast.client import (
    CallTimeout,
    Client,
    ConnectionClosed,
    ConnectionFailed,
    QuicgwClientError,
    Reply,
    ReplyError,
    SessionReset,
    connect,
)
from quicgw_fast.codes import CloseCode, ErrorCode
from quicgw_fast.errors import StartupError
from quicgw_fast.transport import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.cli.printing import Printer
    from quicgw_fast.client import Notify
    from quicgw_fast.client.events import StateCallback

LOGIN = "hello"
CONNECT_TIMEOUT = 10.0
"""Seconds for handshake, START and login unless told otherwise."""
GRACE = 0.3
"""Seconds that the gateway has to report its own timeout before this side reports one."""
CLOSE_TIMEOUT = 0.5
"""Seconds for the gateway to confirm the close; nothing depends on it any more."""
_ANY = "--insecure accepts any certificate"
_ELSEWHERE = "--server names another address"
_FLAGS = {
    Problem.BAD_CA_FILE: "--ca FILE names another one",
    **dict.fromkeys((Problem.UNKNOWN_AUTHORITY, Problem.BAD_CERTIFICATE), f"--ca FILE names an authority, {_ANY}"),
    **dict.fromkeys((Problem.CERTIFICATE_EXPIRED, Problem.CERTIFICATE_NOT_YET_VALID, Problem.WRONG_NAME), _ANY),
    **dict.fromkeys((Problem.UNKNOWN_HOST, Problem.NOTHING_LISTENS, Problem.NO_ANSWER), _ELSEWHERE),
    Problem.WRONG_PROTOCOL: _ELSEWHERE,
}
"""The command's own words for what can be done about a connection that failed; a full gateway has none."""


def advice_for(problem: Problem, elsewhere: str = _ELSEWHERE) -> str:
    """Return, in brackets, which flag may help to connect; nothing where none does.

    ``elsewhere`` says how a command is given another address.
    """
    advice = _FLAGS.get(problem)
    if advice is None:
        return ""
    return f" ({elsewhere if advice is _ELSEWHERE else advice})"


@dataclass(frozen=True, slots=True)
class Wish:
    """What to ask for; times in seconds."""

    action: str
    params: dict[str, str]
    data: bytes
    headers: dict[str, str]
    timeout: float
    wait: float


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom to ask, as whom, and whose certificate to believe."""

    server: str
    openid: str
    token: str
    ca: Path | None
    insecure: bool
    connect_timeout: float = CONNECT_TIMEOUT
    transport: str | None = None
    """Who does QUIC, as the SDK's connect() takes it."""

    async def call(self, wish: Wish, *, as_json: bool) -> int:
        """Ask, print, and return the exit status; StartupError when there is no connection (any more)."""
        printer = JsonPrinter() if as_json else TextPrinter()
        try:
            client = self.client(login=wish.action.lower() != LOGIN)
        except ValueError as error:  # the checks of the SDK know more than ours
            raise typer.BadParameter(str(error)) from None
        try:
            async with client:
                return await _ask(client, wish, printer)
        except ReplyError as refusal:
            about = f"; {self._about_the_token()}" if refusal.code == ErrorCode.UNAUTHORIZED else ""
            printer.error(refusal, f"START or hello was refused{about}")
            return Status.NO
        except (ConnectionFailed, ConnectionClosed, SessionReset) as error:
            raise StartupError(self.advise(error)) from error

    def client(self, *, login: bool, reconnect: bool = False, on_state: StateCallback | None = None) -> Client:
        """Make a client. Raises ValueError for what the SDK cannot take."""
        return connect(
            self.server,
            openid=self.openid,
            token=self.token,
            ca=self.ca,
            insecure=self.insecure,
            login=login,
            connect_timeout=self.connect_timeout,
            close_timeout=CLOSE_TIMEOUT,
            reconnect=reconnect,
            on_state=on_state,
            transport=self.transport,
            thread=False,  # nothing holds this loop up
        )

    def advise(self, error: QuicgwClientError, elsewhere: str = _ELSEWHERE) -> str:
        """Say why there is no connection, and what may help; ``elsewhere`` is how another address is given."""
        text = str(error)
        if isinstance(error, ConnectionClosed) and error.code == CloseCode.AUTH_FAILED:
            return f"{text}; {self._about_the_token()}"
        return text + advice_for(error.problem, elsewhere) if isinstance(error, ConnectionFailed) else text

    def _about_the_token(self) -> str:
        return why_refused(self.token, self.openid, time.time())


async def _ask(client: Client, wish: Wish, printer: Printer) -> int:
    headers = {"timeout-ms": str(max(1, int(wish.timeout * 1000))), **wish.headers}
    notifies = Notifies(client, printer)
    asked = client.submit(
        wish.action, params=wish.params, data=wish.data, headers=headers, timeout=wish.timeout + GRACE
    )
    asked.add_done_callback(asyncio.Future.exception)  # seen: who interrupts the command does not wait for it
    try:
        await notifies.print_before(asked)
        status = _print_answer(asked, wish, printer)
        if not _is_timeout(asked):
            await notifies.print_after(wish.wait)
    finally:
        notifies.stop()
    return status


def _is_timeout(asked: asyncio.Future[Reply]) -> bool:
    return isinstance(asked.exception(), CallTimeout)


def _print_answer(asked: asyncio.Future[Reply], wish: Wish, printer: Printer) -> int:
    """Print the answer and return the exit status; raises what says that there is no connection any more."""
    try:
        reply = asked.result()
    except CallTimeout as late:
        printer.error(CallTimeout(wish.action, wish.timeout, late.sent))  # as it was asked for, without the grace
        return Status.NO
    except ReplyError as error:
        printer.error(error)
        return Status.NO
    printer.reply(reply)
    return Status.DONE if reply.ok else Status.NO


class Notifies:
    """Prints a client's notifies around its one answer: those with lower numbers before it, the others behind it."""

    def __init__(self, client: Client, printer: Printer) -> None:
        self._client = client
        self._printer = printer
        self._arrived: deque[Notify] = deque()
        self._news = asyncio.Event()
        self._collector = asyncio.create_task(self._collect())
        self._collector.add_done_callback(self._wake)

    async def print_before(self, asked: asyncio.Future[Reply]) -> None:
        """Print notifies as they come until the answer is there and would be next."""
        await self.print_until(asked)
        await asyncio.wait((asked,))
        self._print_below(self._number_of(asked))

    async def print_until(self, other: asyncio.Future[Any]) -> None:
        """Print notifies as they come until something else is there, or the client has ended."""
        other.add_done_callback(self._wake)
        while not (other.done() or self._collector.done()):
            self._print_below(math.inf)
            await self._news.wait()
            self._news.clear()

    def raise_end(self) -> None:
        """Raise what ended the client, if it has ended."""
        if self._collector.done():
            self._print_below(math.inf)
            self._collector.result()

    async def print_after(self, seconds: float) -> None:
        """Print notifies as they come for so long."""
        try:
            async with asyncio.timeout(seconds):
                while not self._collector.done():
                    self._print_below(math.inf)
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError:
            pass
        self._print_below(math.inf)
        if self._collector.done() and (error := self._collector.exception()) is not None:
            self._printer.closed(str(error))  # the answer was there: that the gateway then closed changes nothing

    def stop(self) -> None:
        """Read no more."""
        self._collector.cancel()

    async def _collect(self) -> None:
        async for notify in self._client.notifies():
            self._arrived.append(notify)
            self._news.set()

    def _wake(self, _: object) -> None:
        self._news.set()

    def _print_below(self, number: float) -> None:
        while self._arrived and self._arrived[0].seq_id < number:
            self._printer.notify(self._arrived.popleft())

    def _number_of(self, asked: asyncio.Future[Reply]) -> float:
        """Return the answer's number; what has none (protocol §4) comes behind everything."""
        error = asked.exception()
        number = asked.result().seq_id if error is None else getattr(error, "seq_id", 0)
        return number or math.inf
