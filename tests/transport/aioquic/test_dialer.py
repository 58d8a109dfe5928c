"""What a dialer makes of errors of its socket. Some cannot be had on one machine, so that they are handed in."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from quicgw_fast.clock import SystemClock
from quicgw_fast.ports import GATESVR
from quicgw_fast.transport import ConnectFailed, Problem, TransportLimits
from quicgw_fast.transport.aioquic.dialer import Dialer
from quicgw_fast.transport.connection_ids import random_ids
from quicgw_fast.transport.seam import Trust

from ..helpers import HOST, Recorders


async def failed_with(*codes: int) -> ConnectFailed:
    """Dial a port that says nothing, have the errors happen, and return what is raised."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(deaf.getsockname())
        limits = TransportLimits(handshake_timeout=0.2)
        trust = Trust("localhost", insecure=True)
        dialer = Dialer(sock, Recorders(), trust, [GATESVR], limits, random_ids(), SystemClock())
        connecting = asyncio.ensure_future(dialer.connect())
        await asyncio.sleep(0)
        for code in codes:
            dialer._socket_error(OSError(code, "as the system says"))
        with pytest.raises(ConnectFailed) as caught:
            await connecting
        dialer._socket_error(OSError(errno.ECONNREFUSED, "too late to count"))
    return caught.value


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (errno.ECONNREFUSED, Problem.NOTHING_LISTENS),
        (errno.ENETUNREACH, Problem.UNREACHABLE),
        (errno.EHOSTUNREACH, Problem.UNREACHABLE),
        (errno.EMSGSIZE, Problem.NO_ANSWER),
    ],
)
async def test_what_the_system_says_of_the_way_to_the_peer(code: int, problem: Problem) -> None:
    failed = await failed_with(code)
    assert failed.problem is problem


async def test_the_first_error_that_counts_is_the_one_that_is_told() -> None:
    failed = await failed_with(errno.EMSGSIZE, errno.ENETUNREACH, errno.ECONNREFUSED)
    assert failed.problem is Problem.UNREACHABLE
    assert "as the system says" in str(failed)
