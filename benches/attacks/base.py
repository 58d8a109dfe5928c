"""What attacks have in common: what they get, what they return, and the list of them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jwt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECRET = "benches-benches-benches-benches-benches"
SECRET_FILE = "secret"
"""In the gateway's folder."""
TICK = 0.01


@dataclass(frozen=True)
class Target:
    """What is attacked, and for how many seconds; ``folder`` is where the gateway keeps its files."""

    quic: str
    grpc: str
    admin: str
    folder: str
    seconds: float

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect."""
        return tcp(self.quic)

    def fields(self) -> dict[str, Any]:
        """What another process needs to make the same."""
        return asdict(self)


def tcp(address: str) -> tuple[str, int]:
    """Host and port as sockets want them."""
    host, _, port = address.rpartition(":")
    return host, int(port)


class Sent(NamedTuple):
    """How many datagrams, messages or connections, how many bytes, and what came of it."""

    count: int
    size: int
    outcome: str = ""


class Attack(NamedTuple):
    """One row: ``what`` is sent, ``line`` of what it looks like, and the ``tables`` that its gateway needs."""

    send: Callable[[Target, float], Awaitable[Sent]]
    what: str
    tables: dict[str, dict[str, Any]]


ATTACKS: dict[str, Attack] = {}


def attack(
    **tables: dict[str, Any],
) -> Callable[[Callable[[Target, float], Awaitable[Sent]]], Callable[[Target, float], Awaitable[Sent]]]:
    """Make an attack known by the function's name; its docstring is shown in the table.

    It gets the target and when to stop (monotonic seconds). ``tables`` are of the gateway's configuration.
    """

    def enter(function: Callable[[Target, float], Awaitable[Sent]]) -> Callable[[Target, float], Awaitable[Sent]]:
        ATTACKS[function.__name__] = Attack(function, function.__doc__ or function.__name__, tables)
        return function

    return enter


def token(openid: str) -> str:
    """A good token, for gateways that want one."""
    return jwt.encode({"sub": openid, "exp": int(time.time()) + 600}, SECRET, algorithm="HS256")
