"""Listening: a certificate that was checked and a socket that was bound, given to a maker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.transport import makers
from quicgw_fast.transport.certificates import load_identity
from quicgw_fast.transport.connection_ids import ALONE, ids_of
from quicgw_fast.transport.sockets import listening_socket
from quicgw_fast.transport.validity import Validity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import Gatekeeper, ReadingPace
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.observer import Observer
    from quicgw_fast.transport.quic_lb import QuicLb
    from quicgw_fast.transport.seam import HandlerFactory, Listener
    from quicgw_fast.transport.steering import PortShare


async def listen(
    host: str,
    port: int,
    *,
    certificate: Path,
    private_key: Path | bytes,
    factory: HandlerFactory,
    alpn: Sequence[str],
    limits: TransportLimits,
    gatekeeper: Gatekeeper,
    observer: Observer,
    reset_key: bytes,
    clock: Clock,
    pace: ReadingPace,
    validity: Validity | None = None,
    maker: str = makers.DEFAULT,
    share: PortShare | None = None,
    scheme: QuicLb | None = None,
) -> Listener:
    """Listen on ``host:port`` (port 0: any free one) for clients that offer one of ``alpn``.

    ``private_key`` is a PEM file or, for a key that is in no file, its bytes. ``factory`` makes the handler of each
    connection when its handshake is complete; ``gatekeeper`` says who may get so far, and ``pace`` how much of the time
    is for reading. ``reset_key`` is the secret of stateless resets: that of an earlier process has its clients told
    that it is gone. ``share`` is what this process has of a port that was bound for several, and ``scheme`` how its
    connection ids tell a balancer where they lead. ``validity`` is told of the certificate, and says what is wrong with
    its dates. Raises StartupError for an address that cannot be bound and
    for a certificate or key that cannot be used, and ConfigError for an unknown ``maker``.
    """
    try:
        quic = makers.load(maker)
        identity = load_identity(certificate, private_key)
    except BaseException:
        if share is not None:
            share.socket.close()  # nobody else will: who gave it has let go of it
        raise
    listener = quic.listen(
        await listening_socket(host, port) if share is None else share.socket,
        identity,
        factory,
        alpn=alpn,
        limits=limits,
        gatekeeper=gatekeeper,
        observer=observer,
        reset_key=reset_key,
        connection_ids=ids_of(scheme, ALONE if share is None else share.lane),
        clock=clock,
        pace=pace,
    )
    (validity or Validity(clock)).present(identity, certificate)
    return listener
