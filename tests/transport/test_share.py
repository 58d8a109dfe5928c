"""What a listener is given of a shared port is closed where it cannot listen."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.errors import StartupError
from quicgw_fast.transport import PortShare, listen

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_socket_that_was_given_is_closed_where_the_certificate_cannot_be_used(
    maker: str, tmp_path: Path
) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(StartupError):
        await listen(
            "127.0.0.1",
            0,
            certificate=tmp_path / "absent.pem",
            private_key=tmp_path / "absent.key",
            factory=None,  # type: ignore[arg-type]  # nobody gets as far as the rest
            alpn=(),
            limits=None,  # type: ignore[arg-type]
            gatekeeper=None,  # type: ignore[arg-type]
            observer=None,  # type: ignore[arg-type]
            reset_key=b"",
            clock=None,  # type: ignore[arg-type]
            pace=None,  # type: ignore[arg-type]
            maker=maker,
            share=PortShare.marked(sock, 0),
        )
    assert sock.fileno() == -1
