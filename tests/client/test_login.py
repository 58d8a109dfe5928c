"""The hello after each START: when it is said again, and what becomes of one whose connection or session is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.client import Reconnect, State
from quicgw_fast.codes import CloseCode, ResetReason
from quicgw_fast.proto.client_pb2 import BusinessResponse, ErrorMessage

if TYPE_CHECKING:
    from tests.client.conftest import Connect, States
    from tests.client.scripted import Asked, ScriptedGateway


def hellos(gateway: ScriptedGateway) -> list[Asked]:
    return [asked for asked in gateway.asked if asked.action == "hello"]


async def reset(gateway: ScriptedGateway) -> None:
    """Have the client start a fresh session; hello is not answered any more."""
    gateway.refuse_resume = ResetReason.OVERFLOW
    gateway.answer = lambda _: None
    gateway.peer.close(CloseCode.INTERNAL)
    await gateway.until(lambda: len(hellos(gateway)) == 2)


async def test_a_new_connection_does_not_wait_for_the_next_try(gateway: ScriptedGateway, connect: Connect) -> None:
    """The gateway said "in a minute", and then the connection was lost: the next START says hello at once."""
    client = await connect()
    await reset(gateway)
    asked = gateway.asked[-1]
    gateway.reply(asked, ErrorMessage(error_code=503, error_message="full"), {"retry-after-ms": "60000"})
    await gateway.until(lambda: gateway.acks and gateway.session and gateway.acks[-1] == gateway.session.last)
    gateway.answer = lambda asked: BusinessResponse(code=200, data=asked.data)
    gateway.refuse_resume = None
    gateway.peer.close(CloseCode.INTERNAL)
    assert (await client.call("echo", timeout=5)).ok
    assert len(hellos(gateway)) == 3


async def test_a_hello_of_a_session_that_was_reset_is_forgotten(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect()
    await reset(gateway)
    gateway.answer = lambda asked: BusinessResponse(code=200, message="second", data=asked.data)
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESET, 2)
    assert (await client.call("echo")).ok
    assert len(hellos(gateway)) == 3
    assert client.hello is not None
    assert client.hello.message == "second"
    assert not client.closed, "that the one in between failed with SessionReset ends nothing"


async def test_a_later_hello_without_an_answer_is_said_again(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(connect_timeout=1)
    await reset(gateway)
    await gateway.until(lambda: len(hellos(gateway)) == 3)
    gateway.reply(gateway.asked[-1], BusinessResponse(code=200))
    gateway.answer = lambda asked: BusinessResponse(code=200, data=asked.data)
    assert (await client.call("echo", timeout=5)).ok


async def test_a_hello_that_times_out_while_nobody_is_connected_is_said_at_the_next_start(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(connect_timeout=2, reconnect=Reconnect(base=0.01, cap=0.05, attempt_timeout=0.5))
    await reset(gateway)
    gateway.silent = True  # no START is answered, so that the second hello passes its time without a connection
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RECONNECTING, 2)
    async with asyncio.timeout(20):
        while client.stats.timeouts == 0:
            await asyncio.sleep(0.01)
    gateway.silent = False
    gateway.answer = lambda asked: BusinessResponse(code=200, data=asked.data)
    gateway.refuse_resume = None
    assert (await client.call("echo", timeout=20)).ok
