"""Code of the program that holds its event loop up: the connection does not notice."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.client import ConnectionClosed, State, StateEvent
from quicgw_fast.client.io_thread import LoopThread
from quicgw_fast.client.mail import Mailbox
from quicgw_fast.codes import CloseCode
from tests.client.conftest import FAST, States
from tests.support.gateway_process import GatewayProcess

if TYPE_CHECKING:
    from tests.client.conftest import Connect
    from tests.client.scripted import ScriptedGateway
    from tests.support.parts import Ends

PATIENCE = {"QUICGW_SESSION__TIMEOUT": "3s"}
"""A gateway that closes a connection after 3 s without a message."""
FREE = [f"--{port}=127.0.0.1:0" for port in ("quic", "grpc", "admin")]


async def test_a_callback_that_sleeps_ten_seconds_costs_nothing(states: States, ends: Ends) -> None:
    """With compiled ends half as long, which is beyond the patience of the gateway as well."""
    slept, seconds = list[float](), 5 if ends.client == "quinn" else 10

    def on_state(event: StateEvent) -> None:
        states(event)
        if event.state is State.CONNECTED:
            begun = time.monotonic()
            time.sleep(seconds)
            slept.append(time.monotonic() - begun)

    async with GatewayProcess("dev", *FREE, parts=ends.gateway, environment=PATIENCE) as gateway:
        address = "{}:{}".format(*gateway.ready.quic)
        async with sdk.connect(address, openid="alice", insecure=True, on_state=on_state) as client:
            assert slept, "it was called, and held the loop up"
            session = client.session_id
            sent = [client.submit("after", data=b"%d" % number) for number in range(20)]
            await asyncio.gather(*sent)
            time.sleep(4)  # noqa: ASYNC251 - longer than the gateway waits, with notifies that wait unread
            notes = [await client.next_notify(timeout=5) for _ in range(20)]
            assert {note.data for note in notes} == {b"%d" % number for number in range(20)}
            assert [note.seq_id for note in notes] == sorted(note.seq_id for note in notes)
            assert (client.stats.connects, client.session_id) == (1, session)
            assert client.stats.heartbeats >= seconds, "one a second, as the gateway asked for"
    assert states.names == ["connecting", "connected", "closed"]


async def test_a_connection_that_is_lost_meanwhile_is_there_again(gateway: ScriptedGateway) -> None:
    """The scripted gateway lives in this loop, so the program is held up in a loop of another thread."""
    program = LoopThread("program")
    try:
        client = await program.run(held(gateway))
        await gateway.until(lambda: len(gateway.peers) == 2 and gateway.peer.start)
        assert await program.run(client.call("echo", data=b"x")) is not None
        await program.run(client.close())
    finally:
        program.end()


async def held(gateway: ScriptedGateway) -> sdk.Client:
    client = await sdk.connect(gateway.address, openid="alice", insecure=True, reconnect=FAST, ack_delay=0)
    loop = asyncio.get_running_loop()

    def hold_up() -> None:
        deadline = time.monotonic() + 20
        while client.stats.connects < 2 and time.monotonic() < deadline:
            time.sleep(0.01)

    loop.call_soon(hold_up)
    gateway.loop.call_soon_threadsafe(gateway.peer.close, CloseCode.INTERNAL)
    await asyncio.sleep(0)
    return client


async def test_without_a_thread_everything_is_in_the_programs_loop(connect: Connect) -> None:
    client = await connect(thread=False)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "quicgw client alice" in names
    assert type(client) is sdk.Client
    assert (await client.call("echo", data=b"x")).data == b"x"


def test_a_loop_that_ends_ends_its_clients(
    dev_address: str,
) -> None:
    """As asyncio.run does: nobody is left who could use them."""
    kept: list[sdk.Client] = []

    async def forget_to_close() -> None:
        kept.append(await sdk.connect(dev_address, openid="alice", insecure=True))

    asyncio.run(forget_to_close())
    (client,) = kept
    deadline = time.monotonic() + 10
    while not client.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.closed

    async def use() -> None:
        with pytest.raises(ConnectionClosed, match="cancelled"):
            await client.call("echo")

    asyncio.run(use())


async def test_a_call_that_is_given_up_while_it_waits_is_not_sent(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.start_headers = {"limit-in-flight": "1"}
    client = await connect()
    held_back, gateway.answer = gateway.answer, lambda asked: None
    first, second, third = (client.submit("call", data=b"%d" % number) for number in range(3))
    await gateway.until(lambda: len(gateway.asked) == 2)
    second.cancel()
    gateway.answer = held_back
    gateway.reply(gateway.asked[-1], held_back(gateway.asked[-1]))  # type: ignore[arg-type]
    assert (await first).data == b"0"
    assert (await third).data == b"2"
    assert [asked.data for asked in gateway.asked[1:]] == [b"0", b"2"]


async def test_many_posts_wake_a_loop_once_and_one_that_fails_harms_no_other() -> None:
    loop = asyncio.get_running_loop()
    done: list[int] = []
    failures: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    mail = Mailbox(loop)
    mail.post(done.append, 1)
    mail.post(lambda: 1 // 0)
    mail.post(done.append, 2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == [1, 2]
    assert isinstance(failures[0]["exception"], ZeroDivisionError)


def test_a_closed_loop_hears_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    Mailbox(loop).post(print)
