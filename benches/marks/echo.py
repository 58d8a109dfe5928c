"""What an echo over QUIC costs a server, by each maker and by stock aioquic; no gateway is in it.

The server has a process of its own, and so have the clients, which are compiled (``rust/bench/examples/echoes.rs``).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived

from benches.compiled import example
from benches.gateways import cpu_seconds
from benches.marks.row import Row
from quicgw_fast.clock import SystemClock
from quicgw_fast.transport import Connection, TransportLimits, development_certificate, listen, makers
from tests.support.gatekeeper import gatekeeper

if TYPE_CHECKING:
    from benches.marks.row import Figures
    from quicgw_fast.codes import HandshakeFault

_ALPN = "echo"
_SECONDS = 3.0
_STOCK = "stock aioquic"
_WHOLE = "aioquic, no short path"
_LIMITS = TransportLimits(idle_timeout=600.0)


class Unwatched:
    """The observer of a listener."""

    def handshake_failed(self, fault: HandshakeFault, peer: str, reason: str) -> None: ...

    def connection_refused(self, peer: str, reason: str) -> None: ...

    def peer_throttled(self, peer: str) -> None: ...


class Echo:
    """The handler of a listener."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def received(self, data: bytes) -> None:
        self._connection.send(data)

    def writable(self) -> None: ...

    def closed(self, code: int, reason: str, by_peer: bool) -> None: ...


class StockEcho(QuicConnectionProtocol):
    """The same for aioquic as it comes."""

    def quic_event_received(self, event: Any) -> None:
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data)
            self.transmit()


async def _serve(maker: str, folder: Path) -> None:
    """Listen until standard input ends, and tell the port."""
    certificate, key = development_certificate(folder)
    if maker == _STOCK:
        settings = QuicConfiguration(is_client=False, alpn_protocols=[_ALPN], idle_timeout=600.0)
        settings.load_cert_chain(certificate, key)
        server = await serve("127.0.0.1", 0, configuration=settings, create_protocol=StockEcho)
        assert server._transport is not None
        port = server._transport.get_extra_info("sockname")[1]
    else:
        listener = await listen(
            "127.0.0.1", 0, certificate=certificate, private_key=key, factory=Echo, alpn=(_ALPN,),
            limits=replace(_LIMITS, short_path=maker != _WHOLE),
            gatekeeper=gatekeeper(retry_above=100_000, max_half_open=100_000, handshakes_per_second=1e6),
            observer=Unwatched(), reset_key=os.urandom(32), clock=SystemClock(),
            maker="aioquic" if maker == _WHOLE else maker,
        )  # fmt: skip
        port = listener.address[1]
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def echo(maker: str, connections: int) -> Figures:
    """Each connection keeps one echo of 128 bytes under way; µs of the server for each."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.marks.echo", maker,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        port = int(await server.stdout.readline())
        async with example("echoes", str(port), str(connections), _ALPN) as (ask, answers):

            async def look() -> tuple[int, float, float]:
                ask.write(b"\n")
                return int(await answers.readline()), cpu_seconds(server.pid), time.monotonic()

            await answers.readline()
            await asyncio.sleep(1.0 + connections / 1000)  # until what the handshakes left behind is done
            echoes, used, began = await look()
            await asyncio.sleep(_SECONDS)
            echoes_now, used_now, ended = await look()
    finally:
        server.kill()
        await server.wait()
    echoes = echoes_now - echoes
    return {"us": (used_now - used) / echoes * 1e6, "echoes/s": echoes / (ended - began)}


def _variants(connections: int) -> dict[str, Any]:
    return {name: partial(echo, name, connections) for name in (_STOCK, _WHOLE, *makers.MAKERS)}


ROWS = (
    Row(
        "echo-50",
        "QUIC echo, 50 × 1, µs",
        _variants(50),
        "quinn ≤ 7 (× 0.05 of stock), aioquic ≤ 28 (× 0.37)",
        "UDP, received and sent, and AEAD: 3.6 to 4.1 µs",
    ),
    Row("echo-2000", "QUIC echo, 2 000 × 1, µs", _variants(2000), "quinn ≤ 10 (× 0.02)", "the same"),
)


def main() -> None:
    """Be the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maker", choices=(_STOCK, _WHOLE, *makers.MAKERS))
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(parser.parse_args().maker, Path(folder)))


if __name__ == "__main__":
    main()
