"""Room for datagrams in the kernel: without it bursts of many clients are lost before anybody reads them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.result import CheckResult, fine, warning
from quicgw_fast.config.values import write_size
from quicgw_fast.transport.sockets import enlarge_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECK = "udp buffers"
_KEPT = "/etc/sysctl.d/90-quicgw.conf"


def udp_buffers(wanted: int) -> Iterator[CheckResult]:
    """Ask for ``wanted`` bytes each way as the listener does, and look what the kernel gives."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        enlarge_buffers(sock, wanted)
        given = {
            "rmem_max": sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
            "wmem_max": sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        }
    small = {name: size for name, size in given.items() if size < wanted}
    if not small:
        yield fine(CHECK, f"{write_size(wanted)} to receive and to send")
    for name, size in small.items():
        way = "receive" if name == "rmem_max" else "send"
        setting = f"net.core.{name}={wanted}"
        yield warning(
            CHECK,
            f"{write_size(size)} to {way} where {write_size(wanted)} are wanted: bursts of many clients get lost",
            f"sudo sysctl -w {setting}; to keep it: echo {setting} | sudo tee -a {_KEPT}",
        )
