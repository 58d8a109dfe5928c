from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.control.listen import bind_tcp, free_address
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

ADVICE = "set server.grpc"


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def test_free_port_is_bound() -> None:
    with bind_tcp("127.0.0.1", 0, "gRPC", ADVICE) as sock:
        host, port = sock.getsockname()
    assert host == "127.0.0.1"
    assert port > 0
    assert free_address("127.0.0.1", port, "gRPC", ADVICE) == f"127.0.0.1:{port}"


def test_busy_port_is_an_error_that_helps(busy: int) -> None:
    with pytest.raises(StartupError) as caught:
        bind_tcp("127.0.0.1", busy, "gRPC", ADVICE)
    message = str(caught.value)
    assert f"127.0.0.1:{busy}" in message
    assert "for gRPC" in message
    assert "Address already in use" in message
    assert "set server.grpc; port 0 takes any free one" in message


def test_bound_but_silent_port_is_busy_too() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(StartupError, match="already in use"):
            free_address("127.0.0.1", sock.getsockname()[1], "gRPC", ADVICE)


def test_port_zero_stays_zero() -> None:
    assert free_address("127.0.0.1", 0, "gRPC", ADVICE) == "127.0.0.1:0"


def test_name_becomes_one_address() -> None:
    assert free_address("localhost", 0, "gRPC", ADVICE) in ("127.0.0.1:0", "[::1]:0")


def test_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1:0 for gRPC"):
        bind_tcp("192.0.2.1", 0, "gRPC", ADVICE)


def test_unknown_host_cannot_be_listened_on() -> None:
    with pytest.raises(StartupError, match="cannot listen on no-such-host.invalid:0".replace(".", r"\.")):
        bind_tcp("no-such-host.invalid", 0, "gRPC", ADVICE)
