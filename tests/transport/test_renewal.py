"""A listener that takes another certificate and other limits while it runs, on every maker."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448

from quicgw_fast.errors import StartupError
from quicgw_fast.transport import ConnectFailed, development_certificate, load_identity
from quicgw_fast.transport.problems import Problem
from tests.support.gatekeeper import gatekeeper

from .helpers import LIMITS, Recorders, dial, listening, until

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("maker")


async def test_who_comes_is_shown_the_new_one_and_who_is_there_notices_nothing(
    identity: tuple[Path, Path], tmp_path: Path
) -> None:
    new = development_certificate(tmp_path)
    server, client = Recorders(echo=True), Recorders()
    async with listening(identity, server) as listener:
        first = await dial(*listener.address, factory=client, ca=identity[0])
        take = listener.prepare(load_identity(*new), LIMITS)
        between = await dial(*listener.address, factory=client, ca=identity[0])  # what is prepared is not in use
        take()
        with pytest.raises(ConnectFailed) as failed:
            await dial(*listener.address, factory=client, ca=identity[0])
        assert failed.value.problem is Problem.UNKNOWN_AUTHORITY
        last = await dial(*listener.address, factory=client, ca=new[0])
        for connection, recorder in zip((first, between, last), client, strict=False):
            connection.send(b"hello")
            await until(lambda recorder=recorder: bytes(recorder.data) == b"hello")
        assert listener.connections == 3


async def test_limits_are_those_of_connections_that_come(identity: tuple[Path, Path]) -> None:
    server, client = Recorders(), Recorders()
    async with listening(identity, server) as listener:
        early = await dial(*listener.address, factory=client, ca=identity[0])
        listener.prepare(load_identity(*identity), replace(LIMITS, idle_timeout=0.3))()
        late = await dial(*listener.address, factory=client, ca=identity[0])
        await asyncio.wait_for(late.wait_closed(), 20)
        assert not early.closed


async def test_a_retry_token_stays_good(identity: tuple[Path, Path], tmp_path: Path) -> None:
    """A client that has to prove its address while the certificate changes comes in."""
    client = Recorders()
    keeper = gatekeeper(retry_above=0)
    async with listening(identity, Recorders(), gatekeeper=keeper) as listener:
        certificates = [development_certificate(tmp_path / str(number)) for number in range(20)]

        async def renew() -> None:
            for pair in certificates:
                listener.prepare(load_identity(*pair), LIMITS)()
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(renew())
            dialled = [group.create_task(dial(*listener.address, factory=client, insecure=True)) for _ in range(20)]
        assert renewing.done()
        assert all(not task.result().closed for task in dialled)
        assert listener.counters.retries >= 20
        assert listener.counters.invalid_tokens == 0


async def test_what_quinn_cannot_use_changes_nothing(identity: tuple[Path, Path], maker: str) -> None:
    if maker != "quinn":
        pytest.skip("whatever passes the checks around it can be used")
    other = load_identity(*identity)._replace(private_key=ed448.Ed448PrivateKey.generate())
    async with listening(identity, Recorders()) as listener:
        with pytest.raises(StartupError, match="quinn cannot use the certificate"):
            listener.prepare(other, LIMITS)
        await dial(*listener.address, factory=Recorders(), ca=identity[0])


async def test_a_listener_that_is_closed_takes_nothing_any_more(identity: tuple[Path, Path]) -> None:
    async with listening(identity, Recorders()) as listener:
        take = listener.prepare(load_identity(*identity), LIMITS)
        await listener.close()
        take()
