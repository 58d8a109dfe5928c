"""Whether to come back after a connection ended (protocol §6): one pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.client.errors import ConnectionClosed, ConnectionFailed, QuicgwClientError, ReplyError
from quicgw_fast.codes import CloseCode, ErrorCode, is_final, may_pass

if TYPE_CHECKING:
    from quicgw_fast.client.link import LinkEnd


@dataclass(slots=True, frozen=True)
class ReconnectDecision:
    """``retry`` after at least ``at_least`` seconds, or end with ``error``; the error is the cause either way.

    ``at_least`` None: the gateway did not say when.
    """

    retry: bool
    error: QuicgwClientError
    at_least: float | None = None


def decide(end: LinkEnd, *, renewable_token: bool) -> ReconnectDecision:
    """Decide what an end means for a client that wants to stay.

    The codes 0 and 0x1xx say "do not reconnect as you are": only an expired token is something that a client with
    a ``renewable_token`` can change. Everything else, also what QUIC itself reports, is a lost connection.
    """
    if isinstance(end.error, ReplyError):
        return _refused(end.error)
    if end.error is not None:
        return ReconnectDecision(
            True, end.error, end.error.retry_after if isinstance(end.error, ConnectionFailed) else None
        )
    closed = ConnectionClosed(end.code, end.reason)
    if end.by_peer and is_final(end.code):
        return ReconnectDecision(end.code == CloseCode.TOKEN_EXPIRED and renewable_token, closed)
    return ReconnectDecision(True, closed, closed.retry_after if end.by_peer else None)


def _refused(refusal: ReplyError) -> ReconnectDecision:
    """START was refused: a bad token stays bad, an overload passes, a rate limit says itself when it passes."""
    if refusal.code == ErrorCode.RATE_LIMITED and refusal.retry_after is None:
        return ReconnectDecision(False, refusal)
    return ReconnectDecision(may_pass(refusal.code), refusal, refusal.retry_after)
