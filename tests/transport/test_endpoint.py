"""The socket of a listener or dialer: what waits for it, what goes wrong, and the periods behind connections."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

from quicgw_fast.clock import SystemClock
from quicgw_fast.transport import TransportLimits
from quicgw_fast.transport.closing import ClosingPeriod
from quicgw_fast.transport.endpoint import MOST_UNSENT, Endpoint
from quicgw_fast.transport.packets import CID_LENGTH
from quicgw_fast.transport.sockets import enlarge_buffers
from tests.support.clock import Clock

from .helpers import HOST, until

if TYPE_CHECKING:
    import pytest


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    return sock


def an_endpoint(**options: Any) -> Endpoint:
    usual = {"id_length": CID_LENGTH, "clock": SystemClock()}
    return Endpoint(bound(), TransportLimits(), lambda *_: None, **(usual | options))


async def test_a_full_send_buffer_delays_and_then_drops() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        other.setblocking(False)
        endpoint = an_endpoint()
        real, full = endpoint._put, True

        def put(data: bytes, address: object) -> int:
            if full:
                raise BlockingIOError
            return real(data, address)

        endpoint._put = put
        for number in range(MOST_UNSENT + 3):
            endpoint.send(b"%d" % number, other.getsockname())
        assert endpoint.dropped == 3
        full = False
        heard: list[bytes] = []

        def receive() -> bool:
            try:
                while True:
                    heard.append(other.recv(100))
            except BlockingIOError:
                return bool(heard)

        await until(receive)
        await until(lambda: receive() and not endpoint._unsent)
        assert heard[:3] == [b"0", b"1", b"2"]
        endpoint.close()
        endpoint.close()
        endpoint.send(b"late", other.getsockname())


async def test_socket_errors_are_logged_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = an_endpoint()
    endpoint.send(bytes(70_000), (HOST, 9))
    assert "too long" in caplog.records[0].__dict__["reason"]
    for _ in range(100):
        endpoint.send(bytes(70_000), (HOST, 9))
    assert len([record for record in caplog.records if "too long" in record.__dict__["reason"]]) <= 11
    endpoint.close()


async def test_an_error_while_what_waited_goes_out_costs_only_its_datagram(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = an_endpoint()
    with bound() as other:
        other.setblocking(False)
        real, full = endpoint._put, True

        def put(data: bytes, address: object) -> int:
            if full:
                raise BlockingIOError
            return real(data, address)

        endpoint._put = put
        endpoint.send(bytes(70_000), other.getsockname())
        endpoint.send(b"short", other.getsockname())
        await until(lambda: len(endpoint._unsent) == 2)
        full = False
        await until(lambda: not endpoint._unsent)
        assert other.recv(100) == b"short"
    assert "too long" in caplog.records[0].__dict__["reason"]
    endpoint.close()


async def test_what_has_arrived_and_is_not_read_is_seen() -> None:
    endpoint = an_endpoint()
    endpoint.loop.remove_reader(endpoint._fd)
    assert not endpoint.unread()
    with bound() as other:
        other.sendto(b"\x40" + bytes(40), endpoint.address)
    await until(endpoint.unread)
    assert endpoint.unread(), "it was only looked at"
    endpoint.close()


async def test_a_dead_port_is_told_when_the_socket_is_looked_at() -> None:
    with bound() as dead:
        address = dead.getsockname()
    sock = bound()
    sock.connect(address)
    endpoint = Endpoint(
        sock, TransportLimits(), lambda *_: None, id_length=CID_LENGTH, connected=True, clock=SystemClock()
    )
    endpoint.loop.remove_reader(endpoint._fd)
    errors: list[OSError] = []
    endpoint.on_socket_error = errors.append
    endpoint.send(b"anybody there?", address)
    await until(lambda: endpoint.unread() or errors)
    assert isinstance(errors[0], ConnectionRefusedError)
    endpoint.close()


def test_less_than_the_buffers_asked_for_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "quicgw.transport")
    with bound() as sock:
        enlarge_buffers(sock, 2**31 - 1)
    assert caplog.messages == ["small udp receive buffer"]
    assert caplog.records[0].__dict__["granted"] < 2**31 - 1
    assert "net.core.rmem_max=2147483647" in caplog.records[0].__dict__["remedy"]


async def test_an_endpoint_that_is_closed_ends_what_was_under_way() -> None:
    serviced: list[float] = []

    class Serviced:
        def service(self, now: float) -> None:
            serviced.append(now)

    ended: list[bool] = []
    endpoint = an_endpoint()
    endpoint.touch(Serviced())
    ClosingPeriod(endpoint, [b"12345678"], [], lasting=60.0, on_done=lambda: ended.append(True))
    endpoint.close()
    assert ended == [True]
    assert not endpoint.receivers
    turn = endpoint.loop.create_future()
    endpoint.loop.call_soon(turn.set_result, None)
    await turn
    assert not serviced


async def test_a_period_gives_back_the_ids_that_are_still_its_own() -> None:
    clock, ended = Clock(), []
    endpoint = an_endpoint(clock=clock.face)
    period = ClosingPeriod(endpoint, [b"mine1234", b"taken123"], [], lasting=3.0, on_done=lambda: ended.append(True))
    another = ClosingPeriod(endpoint, [b"taken123"], [], lasting=9.0, on_done=lambda: ended.append(False))
    period.shorten(5.0)
    clock.advance(2.9)
    assert not ended
    clock.advance(0.2)
    assert ended == [True]
    period.finish()
    period.shorten(1.0)
    assert ended == [True]
    assert endpoint.receivers == {b"taken123": another}
    another.shorten(1.0)
    clock.advance(1.1)
    assert ended == [True, False]
    endpoint.close()
