"""A client that speaks the wire protocol and nothing else: stock aioquic and the generated messages.

It never retries, reconnects or acknowledges by itself, and it can be as rude as a test needs.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_quic, wire
from tests.support.push_log import Close, ConnectionEndedError, PushLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from cryptography import x509

__all__ = ["Close", "ConnectionEndedError", "HandshakeError", "RawClient", "connect"]


class HandshakeError(ConnectionError):
    """The handshake failed; ``info`` says how, or is None when nothing came back in time."""

    def __init__(self, info: raw_quic.CloseInfo | None) -> None:
        super().__init__("no answer to the handshake" if info is None else f"{info.code:#x} {info.reason}")
        self.info = info


class RawClient(PushLog):
    """One connection and its one stream. Make it with :func:`connect`.

    What comes in is kept as :class:`PushLog` says. Methods that wait for an answer are async.
    """

    def __init__(self) -> None:
        super().__init__()
        self.next_seq = 1
        self.next_msg = 1
        self.stream_id = 0
        self.openid = ""
        self.started: pb.StartResponse | None = None
        self.start_push: pb.ServerPush | None = None
        self.other_streams: dict[int, bytes] = defaultdict(bytes)
        self.finished_by_peer = False
        self._splitter = wire.Splitter()
        self._held: list[bytes] | None = None
        self._protocol: raw_quic.RawProtocol
        self._transport: asyncio.DatagramTransport
        self._quic: raw_quic.HoldingConnection

    # ---- the connection

    async def _open(self, quic: raw_quic.HoldingConnection, address: tuple[str, int], within: float) -> None:
        self._quic = quic
        self._protocol = raw_quic.RawProtocol(quic, self._data, self._ended)
        self._transport = await raw_quic.attach(self._protocol)
        self._protocol.connect(address)
        try:
            async with asyncio.timeout(within):
                await self._protocol.wait_connected()
        except (ConnectionError, TimeoutError) as failure:
            info = self.closed
            self.abandon()
            raise HandshakeError(info) from failure
        except asyncio.CancelledError:
            self.abandon()
            raise

    @property
    def local_port(self) -> int:
        """The UDP port that this client sends from."""
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def peer_certificate(self) -> x509.Certificate:
        """What the server showed in the handshake."""
        return self._protocol.peer_certificate

    async def __aenter__(self) -> RawClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, code: int = 0, reason: str = "") -> None:
        """Close like a client that leaves: QUIC application close, then no socket. Twice is harmless."""
        if self.closed is None:
            self._protocol.close(code, reason)
        self.abandon()
        await asyncio.sleep(0)  # the transport tells its end in the next turn of the loop

    def abandon(self) -> None:
        """Vanish: the socket is dropped and the gateway is told nothing."""
        self._protocol.vanish()
        self._ended(raw_quic.CloseInfo(-1, "closed here", application=False))

    async def bury(self) -> None:
        """Let the gateway know, when a test is over, that this client is gone: it need not wait for it."""
        if self.closed is not None and self.closed.code == -1:
            await self._protocol.bury()
        await self.close()

    async def rebind(self) -> None:
        """Continue from another local UDP port, as after a NAT's change of mind."""
        before = self._transport
        self._transport = await raw_quic.attach(self._protocol)
        before.close()

    def pause_reading(self) -> None:
        """Read nothing more from the stream and grant no credit; QUIC itself goes on acknowledging."""
        self._quic.holding = True
        self._held = [] if self._held is None else self._held

    def resume_reading(self) -> None:
        """Undo :meth:`pause_reading`; what arrived meanwhile goes to the log now."""
        self._quic.holding = False
        held, self._held = self._held or [], None
        for data in held:
            self._data(self.stream_id, data, False)
        self.flush()

    def deafen(self, deaf: bool = True) -> None:
        """Drop every datagram that comes in, as if the way back were cut."""
        self._protocol.deaf = deaf

    def flush(self) -> None:
        """Put on the network what was queued."""
        self._protocol.transmit()

    # ---- sending

    def send_raw(self, data: bytes, *, flush: bool = True, end: bool = False) -> None:
        """Send stream bytes as they are; ``end`` finishes this side of the stream."""
        self._quic.send_stream_data(self.stream_id, data, end_stream=end)
        if flush:
            self.flush()

    def send_on_new_stream(self, data: bytes, *, unidirectional: bool = False) -> int:
        """Open one more stream, whatever the gateway allows, send bytes on it, and return its id."""
        self._quic.ignore_stream_limits()
        stream = self._quic.get_next_available_stream_id(is_unidirectional=unidirectional)
        self._quic.send_stream_data(stream, data)
        self.flush()
        return stream

    def reset_stream(self, code: int = 0) -> None:
        """Reset this side of the stream."""
        self._quic.reset_stream(self.stream_id, code)
        self.flush()

    def send(self, request: pb.ClientRequest, *, flush: bool = True) -> int:
        """Send any request; returns its msg_id."""
        self.send_raw(wire.frame(request.SerializeToString()), flush=flush)
        return request.msg_id

    def request(
        self,
        kind: int,
        payload: bytes,
        *,
        seq: int = 0,
        headers: Mapping[str, str] | None = None,
        flush: bool = True,
    ) -> int:
        """Send a request under the next msg_id, which is returned."""
        msg_id, self.next_msg = self.next_msg, self.next_msg + 1
        request = pb.ClientRequest(msg_id=msg_id, seq_id=seq, payload=payload, headers=headers or {})
        request.type = kind  # type: ignore[assignment]  # also numbers that the enum does not know
        return self.send(request, flush=flush)

    async def start(
        self,
        openid: str,
        token: str = "",
        last_acked: int = 0,
        session_id: str = "",
        epoch: str = "",
        *,
        attempt: int = 0,
        headers: Mapping[str, str] | None = None,
        within: float = 20.0,
    ) -> pb.StartResponse:
        """Send START and return its answer; it is kept in ``started``, its push in ``start_push``."""
        self.openid = openid
        body = pb.StartRequest(
            openid=openid,
            auth_token=token,
            last_acked_seq_id=last_acked,
            session_id=session_id,
            epoch=epoch,
            attempt=attempt,
        )
        msg_id = self.request(pb.REQUEST_START, body.SerializeToString(), headers=headers)
        push = await self.wait_for(lambda p: p.type == pb.PUSH_START_RESP and p.msg_id == msg_id, within)
        self.start_push, self.started = push, pb.StartResponse.FromString(push.payload)
        return self.started

    def business(
        self,
        action: str,
        params: Mapping[str, str] | None = None,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seq: int | None = None,
        *,
        flush: bool = True,
    ) -> int:
        """Send a BUSINESS request; returns its msg_id. ``seq`` defaults to ``next_seq``, which moves on."""
        if seq is None:
            seq, self.next_seq = self.next_seq, self.next_seq + 1
        body = pb.BusinessRequest(action=action, params=params or {}, data=data)
        return self.request(pb.REQUEST_BUSINESS, body.SerializeToString(), seq=seq, headers=headers, flush=flush)

    async def call(
        self,
        action: str,
        params: Mapping[str, str] | None = None,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        within: float = 20.0,
    ) -> pb.ServerPush:
        """Send a BUSINESS request and return its reply, response or error."""
        return await self.reply(self.business(action, params, data, headers), within)

    async def hello(self, params: Mapping[str, str] | None = None, *, within: float = 20.0) -> pb.ServerPush:
        """Log in and return the reply."""
        return await self.call("hello", params, within=within)

    def heartbeat(self, timestamp_ms: int | None = None, seq: int = 0) -> int:
        """Send a HEARTBEAT and return its msg_id; the timestamp defaults to now."""
        stamp = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms
        body = pb.HeartbeatRequest(client_timestamp=stamp)
        return self.request(pb.REQUEST_HEARTBEAT, body.SerializeToString(), seq=seq)

    def ack(self, number: int, seq: int = 0) -> int:
        """Acknowledge everything up to ``number``; returns the msg_id."""
        return self.request(pb.REQUEST_ACK, pb.ClientAck(acked_seq_id=number).SerializeToString(), seq=seq)

    def stop(self) -> int:
        """Send STOP because the user logs out; returns the msg_id."""
        body = pb.StopRequest(reason=pb.StopRequest.USER_LOGOUT)
        return self.request(pb.REQUEST_STOP, body.SerializeToString())

    def _data(self, stream_id: int, data: bytes, end: bool) -> None:
        if stream_id != self.stream_id:
            self.other_streams[stream_id] += data
            return
        self.finished_by_peer |= end
        if self._held is not None:
            self._held.append(data)
            return
        for body in self._splitter.feed(data):
            self._record(pb.ServerPush.FromString(body))
        self._signal()


async def connect(
    host: str,
    port: int,
    alpn: str | None = "gatesvr",
    *,
    within: float = 20.0,
    idle_timeout: float = 60.0,
    receive_window: int = 1 << 20,
    ca: str | None = None,
    server_name: str = "localhost",
    version: int | None = None,
) -> RawClient:
    """Connect to a gateway. ``alpn`` None offers none; ``receive_window`` is QUIC's first credit in bytes.

    ``version`` is the only QUIC version offered, by default what aioquic offers.
    Raises :class:`HandshakeError` when the handshake fails or is not done after ``within`` seconds.
    """
    configuration = raw_quic.client_configuration(
        alpn, server_name, idle_timeout=idle_timeout, receive_window=receive_window, ca=ca
    )
    if version is not None:
        configuration.supported_versions = [version]
    client = RawClient()
    await client._open(raw_quic.HoldingConnection(configuration=configuration), (host, port), within)
    return client
