"""How clients log in: by a service that answers their hello, or by the token of their START alone (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.codes import OK
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.session import Event, Session, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.auth import Grant
    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.flow.lifecycle import Lifecycle
    from quicgw_fast.flow.stored_messages import StoredMessages
    from quicgw_fast.observe import Counter, Metrics
    from quicgw_fast.ports import Call, Metadata, ServiceRequest
    from quicgw_fast.session import Registry


class LoginWay(NamedTuple):
    """One of them."""

    started: Callable[[Session, Grant], None]
    """Told of each START that was answered with success."""
    call: Call
    """Who answers a hello."""


def login_way(
    name: str,
    clock: Clock,
    metrics: Metrics,
    registry: Registry,
    stored: StoredMessages,
    lifecycle: Lifecycle,
    call: Call,
) -> LoginWay:
    """The way that ``auth.login`` names; ``call`` calls services."""
    count = metrics.counter("logins_by_token", "Sessions that were logged in by the token of their START")
    if name == "hello":
        return LoginWay(lambda *_: None, call)
    by_token = TokenLogin(clock, count, registry, stored, lifecycle)
    return LoginWay(by_token.started, by_token.hello)


class TokenLogin:
    """Logs in whoever started with a good token, at once; the gateway itself answers their hellos.

    What the offline store has comes when it was read. Until then what is pushed waits behind it, as after a hello, and
    requests wait for nothing.
    """

    def __init__(
        self, clock: Clock, count: Counter, registry: Registry, stored: StoredMessages, lifecycle: Lifecycle
    ) -> None:
        self._now = clock.now
        self._count = count
        self._registry = registry
        self._stored = stored
        self._lifecycle = lifecycle

    def started(self, session: Session, grant: Grant) -> None:
        """The START of a session was answered with success, for a token that grants this."""
        session.zone = grant.zone or session.zone
        if grant.gid and grant.gid != session.gid:
            self._registry.set_gid(session, grant.gid)
        if session.state is not SessionState.INITED:
            return
        session.apply(Event.LOGIN_BEGUN, self._now())
        session.apply(Event.LOGGED_IN, self._now())
        self._count.value += 1
        self._lifecycle.logged_in(session)
        self._stored.catch_up(session)

    def hello(
        self, request: ServiceRequest, timeout: float, done: Done[UpstreamResponse], metadata: Metadata
    ) -> Cancellable:
        """Answer a hello as a service would that lets everybody in (``Call``)."""
        del timeout, metadata
        session, headers = self._registry.by_id(request.session_id), {}
        if session is not None and session.zone:
            headers["zone"] = session.zone
        if session is not None and session.gid:
            headers["gid"] = session.gid
        done(UpstreamResponse(code=OK, message="logged in", headers=headers, client_seq_id=request.client_seq_id))
        return _NOTHING


class _Answered:
    """Work that has ended."""

    def cancel(self) -> None:
        """Nothing is left to cancel."""


_NOTHING = _Answered()
