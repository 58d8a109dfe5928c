"""Whether a connection to an address would arrive at the gateway itself, however the address is written."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from quicgw_fast.upstream import own as own_addresses
from quicgw_fast.upstream.own import OwnAddresses

PORT = 8092
NOT_HERE = "192.0.2.1"
"""An address of the documentation (RFC 5737): no machine has it, and nothing is sent to it."""


async def listening(*hosts: str) -> OwnAddresses:
    own = OwnAddresses()
    for host in hosts:
        await own.add(host, PORT)
    return own


async def test_who_listens_nowhere_is_nobody() -> None:
    assert not await OwnAddresses().include(f"127.0.0.1:{PORT}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"])
async def test_what_leads_here(host: str) -> None:
    """The wildcard as a target is this machine."""
    assert await (await listening("127.0.0.1")).include(f"{host}:{PORT}")


@pytest.mark.parametrize("address", [f"127.0.0.2:{PORT}", f"[::1]:{PORT}", f"127.0.0.1:{PORT + 1}"])
async def test_what_leads_elsewhere(address: str) -> None:
    assert not await (await listening("127.0.0.1")).include(address)


async def test_an_address_is_compared_with_each_that_has_its_port() -> None:
    own = await listening("127.0.0.3", "127.0.0.4")
    await own.add("127.0.0.5", PORT + 1)
    assert await own.include(f"127.0.0.4:{PORT}")
    assert await own.include(f"127.0.0.5:{PORT + 1}")
    assert not await own.include(f"127.0.0.4:{PORT + 1}")


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
async def test_a_wildcard_listens_on_every_address_of_this_machine_alone(wildcard: str) -> None:
    own = await listening(wildcard)
    for here in ("127.0.0.1", "127.9.9.9", "[::1]", "localhost"):
        assert await own.include(f"{here}:{PORT}"), here
    for elsewhere in (NOT_HERE, "[2001:db8::1]"):
        assert not await own.include(f"{elsewhere}:{PORT}"), elsewhere


async def test_a_wildcard_listens_on_what_can_be_bound_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """As this test cannot know an address of its machine but the loopback, it lends it one."""

    class HasIt(socket.socket):
        def bind(self, address: Any) -> None:
            assert address == (NOT_HERE, 0)

    monkeypatch.setattr(own_addresses.socket, "socket", HasIt)
    assert await (await listening("0.0.0.0")).include(f"{NOT_HERE}:{PORT}")


# Names


async def test_names_are_not_looked_up_unless_asked_for() -> None:
    own = await listening("127.0.0.1")
    assert not await own.include(f"localhost:{PORT}", names=False)
    assert await own.include(f"127.0.0.1:{PORT}", names=False)


async def test_the_gateway_may_be_given_a_name_itself() -> None:
    assert await (await listening("localhost")).include(f"127.0.0.1:{PORT}")


async def test_a_name_that_nobody_knows_is_somebody_else() -> None:
    assert not await (await listening("127.0.0.1")).include(f"no-such-host.invalid:{PORT}")


async def test_a_look_up_that_hangs_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(own_addresses, "LOOKUP", 0.01)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    own = await listening("127.0.0.1")
    async with asyncio.timeout(5.0):
        assert not await own.include(f"slow-host.invalid:{PORT}")
