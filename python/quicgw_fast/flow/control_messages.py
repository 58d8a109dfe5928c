"""ACK, HEARTBEAT and STOP: what a client says beside its requests; none of it waits behind them (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import FutureAck
from quicgw_fast.carrier import MAX_BODY, unnumbered
from quicgw_fast.codes import CloseCode, ErrorCode, PushType
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.payloads import parse_payload
from quicgw_fast.proto.client_pb2 import ClientAck, HeartbeatRequest, HeartbeatResponse, StopRequest
from quicgw_fast.session import UP, EntryKind, Event

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.client import ConnectedClient
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.tokens import Tokens
    from quicgw_fast.observe import Metrics
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.session import Session


class ControlMessages:
    """Answers them; RequestError 400 for what is wrong with one."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        sender: OrderedSender[Session],
        closing: Closing,
        offline: Offline,
        tokens: Tokens,
        window_bytes: int,
    ) -> None:
        """``window_bytes`` are kept of a session until they are acknowledged."""
        self._clock = clock
        self._count_stops = metrics.counter("stops", "Sessions that their clients ended with STOP")
        self._sender = sender
        self._closing = closing
        self._stored = offline.stored
        self._tracking = offline.tracking
        self._tokens = tokens
        self.reconfigure(window_bytes)

    def reconfigure(self, window_bytes: int) -> None:
        """Expect another size of windows."""
        # What a client that reads can have left unacknowledged.
        self._most_pending = 2 * MAX_BODY + window_bytes

    def acknowledge(self, session: Session, request: ClientRequest) -> bool:
        """Take an ACK; False when it acknowledged nothing new. ProtocolError for one of what was never sent."""
        _require_unnumbered(request)
        acked = parse_payload(ClientAck, request.payload).acked_seq_id
        if session.trail is not None:
            session.trail.append((session.last_activity, UP, EntryKind.ACK, acked, request.ByteSize(), None, "", None))
        try:
            freed = session.outbox.ack(acked)
        except FutureAck as error:
            raise ProtocolError(
                ErrorCode.BAD_REQUEST, "acknowledged what was never sent", str(error), msg_id=request.msg_id
            ) from error
        if freed:
            session.crowded_since = None
            if session.parcels is not None:
                self._tracking.acknowledged(session)
            self._sender.acknowledged(session)
            self._stored.acknowledged(session)
        return bool(freed)

    def heartbeat(self, client: ConnectedClient, session: Session, request: ClientRequest) -> None:
        """Answer a heartbeat, and take the token that it may carry."""
        _require_unnumbered(request)
        beat = parse_payload(HeartbeatRequest, request.payload)
        if client.link.pending > self._most_pending:
            # More than ordered messages can make: answers that are never read must not pile up.
            client.close(CloseCode.SLOW_CONSUMER, "heartbeats are sent but nothing is read")
            return
        headers = self._tokens.renew(client, session, request)
        if headers is None:
            return
        answer = HeartbeatResponse(
            client_timestamp=beat.client_timestamp, server_timestamp=int(self._clock.wall() * 1000)
        )
        client.link.send(unnumbered(request.msg_id, PushType.HEARTBEAT_RESP, answer.SerializeToString(), headers))

    def stop(self, client: ConnectedClient, session: Session, request: ClientRequest) -> None:
        """End the session, because its client says so."""
        reason = parse_payload(StopRequest, request.payload).reason
        name = StopRequest.Reason.Name(reason) if reason in StopRequest.Reason.values() else str(reason)
        client.ignore()
        self._count_stops.value += 1
        self._closing.end(session, Event.STOPPED, CloseCode.NORMAL, f"STOP {name}")


def _require_unnumbered(request: ClientRequest) -> None:
    if request.seq_id:
        raise RequestError(ErrorCode.BAD_REQUEST, "wrong seq_id", f"expected 0 for this type, got {request.seq_id}")
