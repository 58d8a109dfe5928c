"""STARTs that are refused: their answer, and how their connections are closed (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.carrier import unnumbered
from quicgw_fast.codes import CloseCode, ErrorCode, PushType
from quicgw_fast.proto.client_pb2 import ErrorMessage, StartResponse

if TYPE_CHECKING:
    from quicgw_fast.errors import RequestError
    from quicgw_fast.flow.client import ConnectedClient
    from quicgw_fast.flow.farewell import Farewell
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import StartRefusal

CLOSES = {
    ErrorCode.UNAUTHORIZED: CloseCode.AUTH_FAILED,
    # But for who names another code, a START is forbidden because a newer one of the same client was here before.
    ErrorCode.FORBIDDEN: CloseCode.SUPERSEDED,
    ErrorCode.RATE_LIMITED: CloseCode.OVERLOADED,
    ErrorCode.OVERLOADED: CloseCode.OVERLOADED,
}
"""How a connection is closed whose START is refused with an error code; PROTOCOL_ERROR for every other."""


class StartRefusals:
    """Answers STARTs with what is wrong; all that are refused are refused here."""

    def __init__(self, metrics: Metrics, farewell: Farewell) -> None:
        """``farewell`` is what those are told that come while the gateway stops."""
        self._count_starts_refused = metrics.counter("starts_refused", "STARTs that were refused, whatever for")
        self._farewell = farewell

    def refuse_by_rule(self, client: ConnectedClient, msg_id: int, refusal: StartRefusal) -> None:
        """Tell the client what a rule of overload says, and close its connection as that wants it."""
        self.refuse(client, msg_id, refusal.error(), refusal.close)

    def refuse(self, client: ConnectedClient, msg_id: int, error: RequestError, code: CloseCode | None = None) -> None:
        """Tell the client and close its connection, with ``code`` where that is not the one for such an error."""
        self._count_starts_refused.value += 1
        told = ErrorMessage(error_code=error.code, error_message=error.message, detail=error.detail)
        answer = StartResponse(success=False, error=told).SerializeToString()
        client.link.send(unnumbered(msg_id, PushType.START_RESP, answer, error.headers))
        if client.start_trace is not None:
            client.start_trace.refused(error.code, error.message)
            client.start_trace = None
        code = CLOSES.get(error.code, CloseCode.PROTOCOL_ERROR) if code is None else code
        client.close(code, self._farewell.detail() if code is CloseCode.DRAINING else error.message)
