"""Who listens in on a client is told everything that goes over the wire, and can break nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quicgw_fast.client import ClientObserver, State
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb

if TYPE_CHECKING:
    from tests.client.conftest import Connect, States
    from tests.client.scripted import ScriptedGateway

Told = list[tuple[int, str]]


class Observer:
    """What it is told, each with the number of the connection; it raises ``failure`` if there is one."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.told: Told = []
        self.ends: list[tuple[int, str, bool]] = []
        self._failure = failure

    def _note(self, connection: int, what: str) -> None:
        self.told.append((connection, what))
        if self._failure is not None:
            raise self._failure

    def connection_up(self, connection: int) -> None:
        self._note(connection, "up")

    def request_sent(self, connection: int, request: pb.ClientRequest) -> None:
        self._note(connection, pb.RequestType.Name(request.type))

    def push_received(self, connection: int, push: pb.ServerPush) -> None:
        self._note(connection, pb.PushType.Name(push.type))

    def connection_down(self, connection: int, code: int, reason: str, by_peer: bool) -> None:
        self.ends.append((code, reason, by_peer))
        self._note(connection, "down")


async def test_everything_is_told_in_the_order_of_the_wire(connect: Connect) -> None:
    observer = Observer()
    assert isinstance(observer, ClientObserver)
    client = await connect(observer=observer, login=False, ack_every=1)
    assert observer.told == [(1, "up"), (1, "REQUEST_START"), (1, "PUSH_START_RESP")]
    await client.call("echo")
    await client.close()
    assert observer.told[3:] == [
        (1, "REQUEST_BUSINESS"),
        (1, "PUSH_BUSINESS_DATA"),
        (1, "REQUEST_ACK"),
        (1, "REQUEST_STOP"),
        (1, "down"),
    ]
    assert observer.ends == [(CloseCode.NORMAL, "NORMAL: stopped", True)]


async def test_a_reconnect_is_the_next_connection(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    observer = Observer()
    await connect(observer=observer, login=False)
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESUMED)
    first = [what for connection, what in observer.told if connection == 1]
    second = [what for connection, what in observer.told if connection == 2]
    assert first == ["up", "REQUEST_START", "PUSH_START_RESP", "down"]
    assert second == ["up", "REQUEST_START", "PUSH_START_RESP"]


async def test_an_observer_that_fails_breaks_nothing(connect: Connect) -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    observer = Observer(failure=ValueError("no"))
    client = await connect(observer=observer, login=False)
    assert (await client.call("echo", data=b"x")).data == b"x"
    assert len(failures) == len(observer.told)
    assert {failure["message"] for failure in failures} == {"the client's observer failed"}
