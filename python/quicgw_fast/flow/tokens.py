"""Tokens: checked at START and renewed by heartbeats, at rates that guessers cannot use up for others (protocol §2)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.addresses import address_group
from quicgw_fast.auth import AuthRefused
from quicgw_fast.codes import CloseCode, ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.overload import RenewalFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.auth import Authenticator, Grant
    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.client import ConnectedClient
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import AttemptLimiter, Gate, Refusal
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.session import Session

RENEWAL_TRIES = 3
"""Refused renewals on one connection before it is closed."""
LONGEST_TOLD = (1 << 31) - 1
"""Seconds; a token may name an end that no client's integer holds."""

_log = logging.getLogger("quicgw.session")


class Tokens:
    """Asks the authenticator, as often as each client may."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        authenticator: Authenticator,
        gate: Gate[RenewalFacts, Refusal],
        attempts: AttemptLimiter,
        granted: Callable[[Session, Grant], None],
    ) -> None:
        """``gate`` is asked before a renewal; ``attempts`` are told of STARTs whose token was refused.

        ``granted`` is told of sessions whose START was answered with success, and what its token grants them.
        """
        self.granted = granted
        self._clock = clock
        self._count_auth_refused = metrics.counter("auth_refused", "Tokens that were not good")
        self._authenticator = authenticator
        self._gate = gate
        self._attempts = attempts
        self._repeats = RepeatLog(_log)

    def use(self, authenticator: Authenticator) -> None:
        """Ask another authenticator from now on; who was let in stays, until the grant of that time ends."""
        self._authenticator = authenticator

    def check(self, address: str, openid: str, token: str) -> Grant:
        """Check the token of a START from ``address``, which QUIC validated; RequestError 401 for a bad one."""
        try:
            return self._authenticate(address, openid, token)
        except RequestError:
            self._attempts.failed(address, openid, self._clock.now())
            raise

    def renew(self, client: ConnectedClient, session: Session, request: ClientRequest) -> dict[str, str] | None:
        """Take the new token of a heartbeat's header ``auth-token``, if there is one.

        Counted for the session alone: whoever has one has shown a good token. Returns the headers of the answer,
        None when the connection was closed; RequestError 401 for a bad token, 429 for too many.
        """
        token = request.headers.get("auth-token")
        if token is None:
            return {}
        refusal = self._gate.judge(RenewalFacts(session, self._clock.now()))
        if refusal is not None:
            raise refusal.error()
        try:
            grant = self._authenticate(client.link.peer, session.openid, token)
        except RequestError:
            client.refused_tokens += 1
            if client.refused_tokens < RENEWAL_TRIES:
                raise
            client.close(CloseCode.AUTH_FAILED, "too many refused tokens")
            return None
        session.expires_at, session.look_at = grant.expires_at, 0.0
        return {"auth-refresh": "ok", **self.lifetime(grant)}

    def lifetime(self, grant: Grant) -> dict[str, str]:
        """Return the header that tells how long the client may stay."""
        if grant.expires_at is None:
            return {}
        left = min(max(0, int(grant.expires_at - self._clock.wall())), LONGEST_TOLD)
        return {"token-expires-in": str(left)}

    def flush(self, now: float) -> None:
        """Write the log lines that are due."""
        self._repeats.flush(now)

    def _authenticate(self, address: str, openid: str, token: str) -> Grant:
        try:
            return self._authenticator.authenticate(openid, token, self._clock.wall())
        except AuthRefused as refused:
            self._count_auth_refused.value += 1
            fields = {"openid": openid, "peer": address, "reason": str(refused)}
            # By reason as well, so that whoever tries one token after the other finds each cause in the log.
            subject = f"{address_group(address)} {refused.kind}"
            self._repeats.add(logging.WARNING, "token refused", subject, self._clock.now(), fields)
            # One sentence for every cause: a guesser must not learn which part was wrong.
            raise RequestError(ErrorCode.UNAUTHORIZED, "authentication failed") from refused
