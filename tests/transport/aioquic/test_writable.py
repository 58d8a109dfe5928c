"""Back-pressure over real sockets: who waits for room is always woken, who makes progress is never given up."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from quicgw_fast.transport import TransportLimits

from ..helpers import RawClient, Recorder, Recorders, listening, until
from .inside import inside

if TYPE_CHECKING:
    from quicgw_fast.transport import Listener

Identity = tuple[Path, Path]
KIB = 1 << 10


class HeldBack:
    """Keeps the datagrams that a client sends, until the test lets them arrive."""

    def __init__(self, client: RawClient, listener: Listener) -> None:
        self._client = client
        self._listener = listener
        self._kept: list[bytes] = []
        client.transmit = self._keep  # type: ignore[method-assign]

    def _keep(self) -> None:
        self._kept += [data for data, _ in self._client.quic.datagrams_to_send(now=monotonic())]
        self._client._settle()

    def __len__(self) -> int:
        return len(self._kept)

    def arrive(self) -> None:
        """Have the listener look at them now, as in one burst, and service nothing yet."""
        kept, self._kept = self._kept, []
        for data in kept:
            inside(self._listener)._endpoint._dispatch(data, self._client.sock.getsockname(), monotonic(), in_turn=True)

    def let_go(self) -> None:
        del self._client.transmit  # type: ignore[method-assign]
        self._client.transmit()


async def connected(listener: Listener, client: RawClient, server: Recorders) -> Recorder:
    await client.connected()
    client.send(b"hello")
    recorder = await server.first()
    await until(lambda: recorder.data)
    return recorder


async def test_acknowledgements_that_are_read_before_the_service_do_not_lose_the_wake_up(identity: Identity) -> None:
    """The mark was passed and left again without anybody looking, but somebody was told to wait."""
    server = Recorders()
    limits = TransportLimits(high_water=8 * KIB, low_water=2 * KIB)
    async with listening(identity, server, limits) as listener, RawClient(listener.address) as client:
        recorder = await connected(listener, client, server)
        connection = recorder.connection
        await until(lambda: connection.pending == 0)
        acks = HeldBack(client, listener)
        connection.send(bytes(6 * KIB))
        await until(lambda: len(client.data) == 6 * KIB)
        await until(lambda: len(acks))
        # From here on nothing is serviced until the loop gets its turn.
        connection.send(bytes(4 * KIB))
        assert not connection.ready()
        acks.arrive()
        assert connection.pending <= 8 * KIB
        acks.let_go()
        await until(lambda: recorder.writable_calls)
        assert recorder.writable_calls == 1
        assert connection.pending <= 2 * KIB
        assert connection.ready()


async def test_a_peer_that_has_closed_is_departed_while_its_last_words_are_handed_over(identity: Identity) -> None:
    class Asking(Recorder):
        departed: bool | None = None

        def received(self, data: bytes) -> None:
            super().received(data)
            self.departed = self.connection.departed

    handlers: list[Asking] = []

    def factory(connection: object) -> Asking:
        handlers.append(Asking(connection))  # type: ignore[arg-type]
        return handlers[-1]

    for leave in (lambda c: c.quic.close(error_code=0), lambda c: c.quic.send_stream_data(0, b"", end_stream=True)):
        handlers.clear()
        async with listening(identity, factory) as listener, RawClient(listener.address) as client:
            await client.connected()
            client.send(b"first;")
            await until(lambda: handlers and handlers[0].data)
            assert handlers[0].departed is False
            datagrams = HeldBack(client, listener)
            client.quic.send_stream_data(0, b"last")
            client.transmit()
            leave(client)
            client.transmit()
            datagrams.arrive()
            await handlers[0].end()
            assert handlers[0].data == b"first;last"
            assert handlers[0].departed is True
