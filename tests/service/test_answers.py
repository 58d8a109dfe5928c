"""What handlers return and raise, and what the client gets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import time
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import pydantic
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quicgw_fast.client import CallTimeout, DeadlineExceeded, connect
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceStub
from quicgw_fast.service import Answer, Request, Service, ServiceError, Welcome
from quicgw_fast.service.unknown_actions import WARNED_AT_MOST, UnknownActions
from tests.service.conftest import PATIENCE
from tests.support.toolchains import ROOT
from tests.support.walkthrough import blocks

if TYPE_CHECKING:
    from quicgw_fast.gateway import Gateway
    from tests.service.conftest import Ask, MakeGateway


DOCS = ROOT / "docs"


@dataclass
class Sword:
    name: str
    length: int = 1


class Shield(pydantic.BaseModel):
    name: str
    weight: float


ANSWERS = {
    "bytes": (b"\xff", (200, b"\xff")),
    "str": ("grün", (200, "grün".encode())),
    "none": (None, (200, b"")),
    "dict": ({"a": [1]}, (200, b'{"a":[1]}')),
    "list": ([1, "b"], (200, b'[1,"b"]')),
    "dataclass": (Sword("x"), (200, b'{"name":"x","length":1}')),
    "pydantic": (Shield(name="x", weight=1.5), (200, b'{"name":"x","weight":1.5}')),
    "tuple": ((409, "taken"), (409, b"taken")),
    "tuple with headers": ((200, b"x", {"a": "b"}), (200, b"x")),
    "reply": (Answer({"a": 1}, 201, "made"), (201, b'{"a":1}')),
}


async def test_what_a_handler_returns_is_the_answer(ask: Ask) -> None:
    def prepare(service: Service) -> None:
        @service.default
        async def answer(request: Request) -> object:
            return ANSWERS[request.action][0]

    client = await ask(prepare)
    for action, (_, expected) in ANSWERS.items():
        reply = await client.call(action)
        assert (reply.code, reply.data) == expected, action
    assert (await client.call("tuple with headers")).headers["a"] == "b"
    assert (await client.call("reply")).message == "made"


IMPOSSIBLE = {
    "a number": (3, "int is no data"),
    "a set": ({1}, "set is no data"),
    "a class": (Sword, "type is no data"),
    "not json": ({"a": object()}, "it cannot be JSON"),
    "not a number of json": ([float("nan")], "it cannot be JSON"),
    "a tuple without a code": (("a", "b"), r"a tuple is \(code, data\)"),
    "a long tuple": ((1, 2, 3, 4), r"a tuple is \(code, data\)"),
    "headers": ((200, b"", [1]), "the third of a tuple is headers"),
    "a header that is no text": (Answer(headers={"a": 1}), "headers are text"),  # type: ignore[dict-item]
    "no code": (Answer(code="200"), "the code has to be a whole number"),  # type: ignore[arg-type]
    "a message that is no text": (Answer(message=b"x"), "the message has to be text"),  # type: ignore[arg-type]
}


async def test_what_is_no_answer_is_a_500_and_told(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    def prepare(service: Service) -> None:
        @service.default
        def answer(request: Request) -> object:
            return IMPOSSIBLE[request.action][0]

    client = await ask(prepare)
    for action, (_, told) in IMPOSSIBLE.items():
        caplog.clear()
        reply = await client.call(action)
        assert (reply.code, reply.message) == (500, "the service failed"), action
        (record,) = [each for each in caplog.records if each.name == "quicgw.service"]
        assert record.getMessage() == "handler returned no answer"
        assert re.search(told, vars(record)["reason"]), vars(record)["reason"]
        assert "answer()" in vars(record)["handler"]


async def test_errors(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    def prepare(service: Service) -> None:
        @service.action("refused")
        async def refused() -> None:
            raise ServiceError(403, "not yours", headers={"why": "x"})

        @service.action("failed")
        async def failed() -> None:
            raise RuntimeError("the password is 1234")

    client = await ask(prepare)
    reply = await client.call("refused")
    assert (reply.code, reply.message, reply.headers["why"]) == (403, "not yours", "x")
    reply = await client.call("failed")
    assert (reply.code, reply.message, reply.data) == (500, "the service failed", b"")
    (record,) = [each for each in caplog.records if each.getMessage() == "handler failed"]
    assert record.exc_info
    assert vars(record)["request"].startswith(client.session_id)
    reply = await client.call("nobody knows it")
    assert (reply.code, reply.message) == (
        404,
        "this instance of 'hello' has no handler for 'nobody knows it' (it has: refused, failed, hello); "
        "every instance of a service must have them all",
    )


async def test_an_action_that_only_another_program_has_is_told_once(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Two programs, one with only buy and one with only sell, are one service to the gateway; names keep them apart."""

    def program(gateway: Gateway, action: str, *names: str) -> Service:
        made = Service(*names, gateway=gateway.addresses.grpc)
        made.action(action)(lambda: action)
        return made

    def door(gateway: Gateway) -> Service:
        return program(gateway, "hello", "hello")

    async def codes(gateway: Gateway, *programs: Service) -> set[int]:
        async with contextlib.AsyncExitStack() as stack:
            for each in (door(gateway), *programs):
                running = await stack.enter_async_context(each.running())
                await running.registered(PATIENCE)
            client = await stack.enter_async_context(connect(gateway.addresses.quic, openid="alice", insecure=True))
            return {(await client.call(action)).code for action in ("buy", "sell") for _ in range(8)}

    mixed = await make_gateway(routing={})
    assert await codes(mixed, program(mixed, "buy"), program(mixed, "sell")) == {200, 404}
    warned = [vars(each) for each in caplog.records if each.getMessage() == "no handler for an action"]
    assert {(each["service"], each["action"], each["handlers"]) for each in warned} <= {
        ("business, zone", "sell", "buy"), ("business, zone", "buy", "sell"),
    }  # fmt: skip
    assert len(warned) == len({each["action"] for each in warned})
    assert "routing.exact" in warned[0]["remedy"]
    (shown,) = [each.text for each in blocks(DOCS / "services.md") if each.language == "toml"]
    apart = await make_gateway(**tomllib.loads(shown))
    assert await codes(apart, program(apart, "buy", "business"), program(apart, "sell", "zone")) == {200}


def test_clients_cannot_fill_the_log_with_actions(caplog: pytest.LogCaptureFixture) -> None:
    unknown = UnknownActions("business")
    for number in range(2 * WARNED_AT_MOST):
        told = unknown.told(f"{number}-{'x' * 1000}", [f"action-{n}" for n in range(100)])
        assert len(told) < 500
    assert len(caplog.records) == WARNED_AT_MOST


async def test_what_a_handler_is_told(ask: Ask) -> None:
    found: list[Request] = []

    def prepare(service: Service) -> None:
        service.default(found.append)

    client = await ask(prepare)
    await client.call("Look", params={"a": "b"}, data=b"\xff", headers={"c": "d"}, timeout=5)
    (request,) = found
    assert (request.openid, request.session_id, request.action) == ("alice", client.session_id, "Look")
    assert (request.params, request.data, request.headers["c"]) == ({"a": "b"}, b"\xff", "d")
    assert request.number == 2
    assert 0 < request.deadline - time.monotonic() <= request.remaining + 1 < 32
    for wrong in (lambda: request.text, request.json):
        with pytest.raises(ServiceError, match="400 data is not"):
            wrong()


async def test_hello_names_zone_and_gid(ask: Ask) -> None:
    services: list[Service] = []

    def prepare(service: Service) -> None:
        services.append(service)

        @service.hello
        async def hello(request: Request) -> Welcome:
            return Welcome(zone=3, gid=f"g-{request.openid}", message="come in", headers={"x": "y"})

    client = await ask(prepare)
    reply = client.hello
    assert reply is not None
    assert reply.message == "come in"
    assert {name: reply.headers[name] for name in ("zone", "gid", "x")} == {"zone": "3", "gid": "g-alice", "x": "y"}
    assert (await services[0].push("mail", b"data", gid="g-alice")).outcome == "sent"


async def test_upper_and_lower_case_are_the_same(ask: Ask) -> None:
    client = await ask(lambda service: service.action("Echo", "second")(lambda: "found") and None)
    assert [(await client.call(action)).data for action in ("echo", "ECHO", "Second")] == [b"found"] * 3


async def test_typed_data(ask: Ask) -> None:
    def prepare(service: Service) -> None:
        @service.action("sword")
        def sword(request: Request, wanted: Sword) -> object:
            return (200, f"{request.openid} {wanted.name} {wanted.length}")

        @service.action("shield")
        async def shield(wanted: Shield) -> object:
            return wanted

    client = await ask(prepare)
    assert (await client.call("sword", data=b'{"name":"long","length":3}')).data == b"alice long 3"
    assert (await client.call("shield", data=b'{"name":"x","weight":2}')).data == b'{"name":"x","weight":2.0}'
    for action, data, told in (
        ("sword", b"", "data is empty, JSON is wanted"),
        ("sword", b"{", "data is not JSON: "),
        ("sword", b'{"length":3}', "name: it is missing"),
        ("shield", b"", "data is empty, JSON is wanted"),
        ("shield", b'{"weight":"x"}', "name: Field required; weight: Input should be a valid number"),
    ):
        reply = await client.call(action, data=data)
        assert reply.code == 400
        assert reply.message.startswith(told)


async def test_a_plain_handler_holds_nobody_up(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    services: list[Service] = []

    def prepare(service: Service) -> None:
        services.append(service)

        @service.action("block")
        def block() -> str:
            release.wait(PATIENCE)
            return "released"

        @service.action("quick")
        async def quick() -> str:
            return "quick"

    client = await ask(prepare, threads=1)
    blocked = [asyncio.create_task(client.call("block")) for _ in range(2)]
    while not any(record.getMessage() == "all threads busy" for record in caplog.records):
        await asyncio.sleep(0.01)
    assert (await client.call("quick")).data == b"quick"
    running = services[0].now_running
    assert running is not None
    async with grpc.aio.insecure_channel(running.address) as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        status = await UpstreamServiceStub(channel).GetStatus(pb.StatusRequest())
        assert (status.status, status.active_connections, status.metadata["service"]) == ("running", 2, "hello")
    assert running.busy_threads == 2
    release.set()
    assert [(await each).data for each in blocked] == [b"released"] * 2


async def test_a_handler_that_nobody_waits_for_any_more_never_begins(ask: Ask) -> None:
    release, called = threading.Event(), []

    def prepare(service: Service) -> None:
        @service.action("block")
        def block(request: Request) -> None:
            called.append(request.data)
            release.wait(PATIENCE)

    client = await ask(prepare, threads=1)
    first = asyncio.create_task(client.call("block", data=b"first"))
    while not called:
        await asyncio.sleep(0.01)
    with pytest.raises((CallTimeout, DeadlineExceeded)):  # whose clock is first
        await client.call("block", data=b"second", timeout=0.3)
    await asyncio.sleep(0.3)
    release.set()
    await first
    await client.call("block", data=b"third")
    assert called == [b"first", b"third"]


async def test_a_coroutine_that_blocks_is_told(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    async def blocks() -> None:
        time.sleep(0.9)  # noqa: ASYNC251 - that is the mistake

    client = await ask(lambda service: service.action("block")(blocks) and None)
    await client.call("block")
    while not (found := [each for each in caplog.records if each.getMessage() == "event loop held up"]):
        await asyncio.sleep(0.05)
    assert vars(found[0])["seconds"] >= 0.5
    assert found[0].levelno == logging.WARNING
