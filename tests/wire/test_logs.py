"""What a gateway with real clients and services writes into its log."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from tests.support import wire
from tests.support.raw_upstream import Rejected

if TYPE_CHECKING:
    import pytest

    from quicgw_fast.proto import client_pb2 as pb
    from tests.support.raw_client import RawClient
    from tests.support.world import WorldMaker

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"x-request-id": "order-17", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


async def fails(_request: Any) -> Any:
    raise Rejected(details="no such table")


def fields_of(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, Any]:
    (record,) = [record for record in caplog.records if record.message == event]
    return vars(record)


def session_of(client: RawClient) -> str:
    assert client.started is not None
    return client.started.connection_id


async def call(client: RawClient, action: str) -> pb.ServerPush:
    return await client.call(action, data=b"x", headers=HEADERS)


async def test_a_request_that_fails_leaves_a_line_with_its_ids(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    world = await make_world()
    world.business.on("buy", fails)
    client = await world.online("alice")
    assert wire.error(await call(client, "buy")).error_code == 500
    told = fields_of(caplog, "upstream call failed")
    assert (told["session"], told["openid"]) == (session_of(client), "alice")
    assert (told["request"], told["trace"]) == ("order-17", TRACE)
    assert (told["address"], told["status"]) == (world.business.address, "INTERNAL")
    assert told["detail"].endswith("no such table")
    seen = world.business.seen[-1].metadata
    assert (seen["x-request-id"], seen["traceparent"]) == (HEADERS["x-request-id"], HEADERS["traceparent"])


async def test_a_request_without_a_service_leaves_a_line_with_its_ids(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    world = await make_world()
    without = await make_world(upstream={"hello": [world.hello.address]})
    client = await without.online("alice")
    assert wire.error(await call(client, "buy")).error_code == 503
    told = fields_of(caplog, "no upstream in service")
    assert (told["session"], told["openid"]) == (session_of(client), "alice")
    assert (told["request"], told["trace"], told["service"]) == ("order-17", TRACE, "business")


async def test_at_debug_the_messages_of_one_request_are_there_in_order(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "quicgw.messages")
    world = await make_world(log={"level": "debug"})
    client = await world.online("alice")
    assert wire.business(await call(client, "echo")).code == 200
    mine = [vars(record) for record in caplog.records if vars(record).get("request") == "order-17"]
    assert [(one["message"], one["kind"], one["number"]) for one in mine] == [
        ("received", "request", 2),
        ("answered", "reply", 2),
    ]
    assert {one["trace"] for one in mine} == {TRACE}
    assert {one["session"] for one in mine} == {session_of(client)}
    assert (mine[1]["outcome"], mine[1]["duration"] > 0) == ("200", True)


async def test_under_load_there_is_no_line_for_a_message(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests that go well, that fail, that are refused; pushes, heartbeats, acknowledgements: 240 messages."""
    caplog.set_level(logging.INFO, "quicgw")
    world = await make_world(limits={"requests_per_second": 20})
    world.business.on("buy", fails)
    clients = [await world.started(f"openid-{number}") for number in range(3)]
    for client in clients:
        await client.hello()
    before = len(caplog.records)
    for client in clients:
        sent = [client.business(action) for action in ("echo", "buy") * 20]
        for number in range(20):
            client.heartbeat()
            await world.pusher.push(client.openid, content=f"n{number}")
        await asyncio.gather(*(client.reply(message) for message in sent))
    lines = [record.message for record in caplog.records[before:]]
    assert len(lines) <= 24, lines
