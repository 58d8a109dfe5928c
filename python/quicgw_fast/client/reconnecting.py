"""Whether, when and where to come back after a connection ended (protocol §6). Time is an argument, in seconds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.addresses import join_address
from quicgw_fast.client.backoff import Backoff
from quicgw_fast.client.errors import (
    ConnectionClosed,
    ConnectionFailed,
    QuicgwClientError,
    ReplyError,
    connection_closed,
)
from quicgw_fast.client.options import parse_address
from quicgw_fast.codes import CloseCode, ErrorCode, is_final, may_pass
from quicgw_fast.transport import Problem

if TYPE_CHECKING:
    from quicgw_fast.client.link import LinkEnd
    from quicgw_fast.client.options import Reconnect

_ANSWERS_DRAINING = frozenset({Problem.FULL, Problem.NOTHING_LISTENS})
"""How a new connection fails at a gateway that said before that it shuts down."""

_log = logging.getLogger("quicgw.client")


class NextAttempt(NamedTuple):
    """What follows the end of a connection: an attempt after ``delay`` seconds, or (None) the end of the client."""

    delay: float | None
    error: QuicgwClientError
    """The cause of either."""


class Reconnecting:
    """What one client does when its connections end: remembers what went before, and counts the attempts."""

    def __init__(self, rule: Reconnect, home: tuple[str, int]) -> None:
        """``home`` is the host and port that the application gave."""
        self._rule = rule
        self._home = home
        self.address = home
        """Where the next attempt goes: home, or where a gateway that stopped sent the client."""
        self._arrived = False
        """START was accepted there since the last end."""
        self._backoff = Backoff(rule)
        self._draining = False
        """The gateway closed the last connection because it shuts down."""

    @property
    def attempts(self) -> int:
        """Attempts since the last good connection."""
        return self._backoff.attempts

    def started(self) -> None:
        """START was accepted: there is a gateway that does not shut down."""
        self._draining = False
        self._arrived = True

    def proved_good(self) -> None:
        """The connection that ended had lasted, or brought something new: the next loss begins with a short delay."""
        self._backoff.reset()

    def after(self, end: LinkEnd, *, renewable_token: bool, time_left: float | None) -> NextAttempt:
        """Say what follows ``end``.

        ``time_left`` are the seconds in which a first connection must be ready, None once there was one. Before that
        there is another attempt only where the gateway itself says when, and there is time for it.
        """
        decision = decide(end, renewable_token=renewable_token)
        error = self._in_context(end, decision.error)
        self._choose_address(decision.error)
        if time_left is None:
            allowed = self._rule.enabled and not self._backoff.exhausted
        else:
            allowed = decision.at_least is not None
        if not (decision.retry and allowed):
            return NextAttempt(None, error)
        delay = self._backoff.next_delay(decision.at_least or 0.0)
        late = time_left is not None and delay >= time_left
        return NextAttempt(None if late else delay, error)

    def _choose_address(self, error: QuicgwClientError) -> None:
        """Go where the gateway says, or stay where START was accepted; home from everywhere else."""
        told = error.reconnect_to if isinstance(error, ConnectionClosed | ConnectionFailed) else None
        stopping = isinstance(error, ConnectionClosed) and error.code == CloseCode.DRAINING
        if told is None or not self._rule.follow:
            self.address = self.address if self._arrived and not stopping else self._home
        else:
            self.address = self._read(told)
        self._arrived = False

    def _read(self, told: str) -> tuple[str, int]:
        try:
            return parse_address(told)
        except ValueError as error:
            _log.warning("gateway names an address that is none", extra={"address": told, "reason": str(error)})
            return self._home

    def _in_context(self, end: LinkEnd, error: QuicgwClientError) -> QuicgwClientError:
        """Return what an end means after what went before it."""
        if end.by_peer:
            self._draining = end.code == CloseCode.DRAINING
        elif self._draining and isinstance(error, ConnectionFailed) and error.problem in _ANSWERS_DRAINING:
            return ConnectionFailed(
                f"{join_address(*self.address)}: the gateway is shutting down (DRAINING)", Problem.DRAINING
            )
        return error


@dataclass(slots=True, frozen=True)
class ReconnectDecision:
    """``retry`` after at least ``at_least`` seconds, or end with ``error``; the error is the cause either way.

    ``at_least`` None: the gateway did not say when.
    """

    retry: bool
    error: QuicgwClientError
    at_least: float | None = None


def decide(end: LinkEnd, *, renewable_token: bool) -> ReconnectDecision:
    """Decide what an end alone means for a client that wants to stay.

    The codes 0 and 0x1xx say "do not reconnect as you are": only an expired token is something that a client with
    a ``renewable_token`` can change. Everything else, also what QUIC itself reports, is a lost connection.
    """
    if isinstance(end.error, ReplyError):
        return _refused(end.error)
    if end.error is not None:
        return ReconnectDecision(True, end.error, _told(end.error) if isinstance(end.error, ConnectionFailed) else None)
    closed = connection_closed(end.code, end.reason)
    if end.by_peer and is_final(end.code):
        return ReconnectDecision(end.code == CloseCode.TOKEN_EXPIRED and renewable_token, closed)
    return ReconnectDecision(True, closed, closed.retry_after if end.by_peer else None)


def _told(failure: ConnectionFailed) -> float | None:
    """Return when to come back, where the gateway says so: at once, where it names another one instead."""
    return 0.0 if failure.retry_after is None and failure.reconnect_to is not None else failure.retry_after


def _refused(refusal: ReplyError) -> ReconnectDecision:
    """START was refused: a bad token stays bad, an overload passes, a rate limit says itself when it passes."""
    if refusal.code == ErrorCode.RATE_LIMITED and refusal.retry_after is None:
        return ReconnectDecision(False, refusal)
    return ReconnectDecision(may_pass(refusal.code), refusal, refusal.retry_after)
