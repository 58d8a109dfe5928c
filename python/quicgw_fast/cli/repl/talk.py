"""The talk itself: lines come from a terminal or a script, answers and news go out in the order of their numbers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from quicgw_fast.cli.calling import GRACE, Notifies
from quicgw_fast.cli.printing import JsonPrinter, TextPrinter, say_json
from quicgw_fast.cli.repl.language import COMMANDS, NotUnderstood, Typed, read
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.tables import counted
from quicgw_fast.client import (
    CallTimeout,
    ConnectionClosed,
    ConnectionFailed,
    QuicgwClientError,
    ReplyError,
    SessionReset,
    State,
)
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from quicgw_fast.cli.calling import Caller
    from quicgw_fast.cli.printing import Printer
    from quicgw_fast.client import Client, Reply, StateEvent


class Typist(Protocol):
    """Where lines come from."""

    async def next(self) -> str | None:
        """Wait for one; None when there are no more."""

    def say(self, text: str) -> None:
        """Tell news of the connection."""

    def reject(self, text: str) -> None:
        """Tell why the last line means nothing."""

    def learn(self, action: str) -> None:
        """Hear of an action that was called."""

    goes_on: bool
    """Whether there is more to come after a line that means nothing."""


async def talk(caller: Caller, *, terminal: bool, as_json: bool, timeout: float, wait: float) -> int:
    """Connect, do what the lines ask for, and return the exit status; StartupError when there is no connection."""
    lines: Typist
    if terminal:
        from quicgw_fast.cli.repl.terminal import Terminal

        lines = Terminal(caller.openid)
    else:
        from quicgw_fast.cli.repl.script import Script

        lines = Script()
    printer = JsonPrinter() if as_json else TextPrinter()
    tell = _json_state if as_json else partial(_say_state, lines)
    try:
        async with caller.client(login=True, reconnect=True, on_state=tell) as client:
            return await Talk(client, caller.token, lines, printer, as_json=as_json, timeout=timeout).run(wait)
    except ReplyError as refusal:
        printer.error(refusal, "START or hello was refused")
        return Status.NO
    except (ConnectionFailed, ConnectionClosed) as error:
        raise StartupError(caller.advise(error, "give another address")) from error


class Talk:
    """One client, and what it is asked to do."""

    def __init__(
        self, client: Client, token: str, lines: Typist, printer: Printer, *, as_json: bool, timeout: float
    ) -> None:
        """``token`` is what it logged in with; ``timeout`` is for each answer, in seconds."""
        self._client = client
        self._token = token
        self._lines = lines
        self._printer = printer
        self._as_json = as_json
        self._timeout = timeout
        self._notifies = Notifies(client, printer)
        self._status = Status.DONE

    async def run(self, wait: float) -> int:
        """Do what each line asks for until there are no more; then wait so many seconds for notifies."""
        try:
            while (text := await self._next_line()) is not None:
                try:
                    line = read(text)
                    if line is not None and line.command == "quit":
                        return self._status
                    if line is not None:
                        await self._obey(line)
                except NotUnderstood as mistake:
                    self._lines.reject(f"{mistake}")
                    if not self._lines.goes_on:
                        return Status.USAGE
            await self._notifies.print_after(wait)
        finally:
            self._notifies.stop()
        return self._status

    async def _next_line(self) -> str | None:
        """Wait for a line, and print meanwhile what comes; raises the client's error when that has ended."""
        line = asyncio.ensure_future(self._lines.next())
        try:
            await self._notifies.print_until(line)
            self._notifies.raise_end()
            return line.result()
        finally:
            line.cancel()

    async def _obey(self, line: Typed) -> None:
        if line.command == "call":
            await self._call(line)
        elif line.command == "ping":
            await self._ping()
        elif line.command == "ack":
            ticket = self._client.ticket
            assert ticket is not None, "it is connected since before the first line"
            waiting = self._client.pending_notifies
            self._tell("ack", {"acknowledged": ticket.last_acked, "pending": waiting})
        elif line.command == "stats":
            self._tell("stats", asdict(self._client.stats))
        else:
            print("\n".join(COMMANDS.values()), flush=True)

    async def _call(self, line: Typed) -> None:
        self._lines.learn(line.action)
        headers = {"timeout-ms": str(max(1, int(self._timeout * 1000)))}
        asked = self._client.submit(
            line.action, params=line.params, data=line.data, headers=headers, timeout=self._timeout + GRACE
        )
        asked.add_done_callback(asyncio.Future.exception)  # seen: who interrupts a call does not wait for it
        await self._notifies.print_before(asked)
        self._print_answer(asked)

    def _print_answer(self, asked: asyncio.Future[Reply]) -> None:
        try:
            reply = asked.result()
        except (ReplyError, CallTimeout, SessionReset) as error:
            self._printer.error(error)
            self._status = Status.NO
            return
        self._printer.reply(reply)
        if not reply.ok:
            self._status = Status.NO

    async def _ping(self) -> None:
        """A heartbeat with the token that it has already: the gateway answers it itself, and at once."""
        began = time.perf_counter()
        try:
            await self._client.refresh_token(self._token, timeout=self._timeout)
        except QuicgwClientError as error:
            self._printer.error(error)
            self._status = Status.NO
            return
        self._tell("pong", {"seconds": round(time.perf_counter() - began, 6)})

    def _tell(self, kind: str, fields: dict[str, Any]) -> None:
        if self._as_json:
            say_json(kind, fields)
        elif kind == "pong":
            print(f"pong after {fields['seconds'] * 1000:.1f} ms", flush=True)
        else:
            print("\n".join(f"{name.ljust(18)}  {value}" for name, value in fields.items()), flush=True)


def _json_state(event: StateEvent) -> None:
    error = None if event.error is None else str(event.error)
    say_json("state", {"state": event.state, "session_id": event.session_id, "delay": event.delay, "error": error})


def _say_state(lines: Typist, event: StateEvent) -> None:
    """Tell a step in the life of the client; how it begins and ends is told by the command."""
    if event.state not in {State.CONNECTING, State.CLOSED}:
        lines.say(_in_words(event))


def _in_words(event: StateEvent) -> str:
    match event.state:
        case State.CONNECTED:
            return f"connected, session {event.session_id}"
        case State.RECONNECTING:
            return f"connection lost ({event.error}); again in {event.delay:.1f} s"
        case State.RESUMED:
            return f"resumed: nothing was missed, sent again: {counted(event.resent, 'request')}"
        case State.RESET:
            lost = f"lost: {counted(event.lost, 'call')}"
            return f"a new session, {event.session_id}: the old one could not be resumed, {lost}"
    return str(event.state)
