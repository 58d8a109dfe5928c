"""Bounds of what all clients do together, over real connections, and operators that change them and end sessions."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.transport.termination import CONNECTION_REFUSED
from tests.support import wire
from tests.support.raw_client import HandshakeError
from tests.support.raw_upstream import RawUpstream
from tests.support.site import Site, online, reload
from tests.support.world import PLENTY, assert_closed
from tests.transport.helpers import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


async def ask(address: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Send a request to the admin pages; the status and what the JSON of the answer says."""

    def send() -> tuple[int, Any]:
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else text.decode()

    return await asyncio.to_thread(send)


async def change(world: World, **tables: Any) -> Any:
    status, told = await ask(world.gateway.addresses.admin, "PATCH", "/overload", tables)
    assert status == 200, told
    return {(rule["moment"], rule["rule"]): rule for rule in told["rules"]}


async def settings(world: World) -> list[tuple[str, Any]]:
    """The mode and the bounds of every rule."""
    _, told = await ask(world.gateway.addresses.admin, "GET", "/overload")
    return [(rule["mode"], rule["bounds"]) for rule in told["rules"]]


async def turned_away(world: World, why: str) -> str:
    """Connect and be refused, in the handshake or behind it; what was said."""
    try:
        close = await (await world.connect()).wait_closed(20.0)
    except HandshakeError as error:
        assert error.info is not None
        close = error.info
    assert close.code in (CloseCode.OVERLOADED, CONNECTION_REFUSED), close
    assert close.reason.startswith(f"OVERLOADED: {why}"), close
    assert 0 < int(close.reason.rpartition("retry-after-ms ")[2]) <= 60_000
    return close.reason


async def errors_of(client: RawClient, count: int) -> list[pb.ServerPush]:
    messages = [client.business("echo") for _ in range(count)]
    pushes = [await client.reply(message) for message in messages]
    return [push for push in pushes if push.type == pb.PUSH_ERROR]


async def test_more_requests_a_second_than_may_be_are_503_by_name(make_world: WorldMaker) -> None:
    world = await make_world(limits={**PLENTY, "requests_per_second": 12})
    client, other = await world.online("alice"), await world.online("bob")
    refused = [*await errors_of(client, 15), *await errors_of(other, 5)]
    assert len(refused) >= 8
    for push in refused:
        told = wire.error(push)
        assert (told.error_code, told.detail) == (503, "QPS: over 12 requests a second in all")
        assert push.headers["error-code"] == "QPS"
        assert 0 < int(push.headers["retry-after-ms"]) <= 2200
    assert len({push.headers["retry-after-ms"] for push in refused}) > 3, "they would come back together"
    await asyncio.sleep(max(int(push.headers["retry-after-ms"]) for push in refused) / 1000)
    assert wire.business(await client.call("echo")).code == 200
    client.assert_gap_free()
    assert world.gateway.stats()["refused"]["request"]["request-rate"] == len(refused)


async def test_an_address_has_so_many_connections_at_once(make_world: WorldMaker) -> None:
    world = await make_world(limits={**PLENTY, "connections_per_address": 2})
    alice, bob = await world.online("alice"), await world.online("bob")
    await turned_away(world, "too many connections from this address")
    await bob.bury()
    await until(lambda: world.gateway.stats()["connections"] == 1)
    await world.online("carol")
    assert wire.business(await alice.call("echo")).code == 200


async def test_new_connections_have_a_rate_in_all(make_world: WorldMaker) -> None:
    world = await make_world(limits={**PLENTY, "connections_per_second": 1})
    alice = await world.online("alice")
    why = await turned_away(world, "too many new connections")
    await asyncio.sleep(int(why.rpartition(" ")[2]) / 1000)
    await world.online("bob")
    assert wire.business(await alice.call("echo")).code == 200


async def test_calls_are_bounded_in_all_until_they_end(make_world: WorldMaker) -> None:
    world = await make_world(limits={**PLENTY, "max_calls": 2})
    gate = world.zone.hold("echo")
    client, other = await world.online("alice"), await world.online("bob")
    running = [client.business("echo"), other.business("echo")]
    await world.zone.wait_requests(2)
    told = wire.error(await client.call("order"))
    assert (told.error_code, told.detail) == (503, "2 calls of services are under way, which is the limit")
    assert world.gateway.stats()["upstream"]["under_way"]["zone"] == 2
    gate.open()
    assert wire.business(await client.reply(running[0])).code == 200
    assert wire.business(await other.reply(running[1])).code == 200
    assert wire.business(await client.call("order")).code == 200


async def test_a_call_that_nobody_waits_for_any_more_is_called_off_and_its_place_is_free(
    make_world: WorldMaker,
) -> None:
    world = await make_world(limits={**PLENTY, "max_calls": 2})
    world.zone.hold("echo")
    client, other = await world.online("alice"), await world.online("bob")
    late = client.business("echo", headers={"timeout-ms": "300"})
    other.business("echo")
    await world.zone.wait_requests(2)
    assert wire.error(await client.reply(late)).error_code == 504
    await wire.until(lambda: world.zone.cancelled == 1, what="the service learning that nobody waits")
    other.stop()
    await wire.until(lambda: world.zone.cancelled == 2, what="the same of a session that ended")
    assert sum(world.gateway.stats()["upstream"]["under_way"].values()) == 0
    assert wire.business(await client.call("order")).code == 200


async def test_a_limit_changes_while_clients_are_connected(make_world: WorldMaker) -> None:
    world = await make_world(limits={**PLENTY, "in_flight": 100})
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    running = [client.business("echo") for _ in range(3)]
    rules = await change(world, limits={"in_flight": 3, "messages_per_second": 7.5})
    assert rules["request", "in-flight"]["bounds"] == {"limits.in_flight": 3}
    assert wire.error(await client.call("echo")).error_code == 429
    late = await world.online("bob")
    assert late.start_push is not None
    assert late.start_push.headers["limit-in-flight"] == "3"
    assert late.start_push.headers["limit-messages-per-second"] == "7.5"
    rules = await change(world, overload={"observe": ["in-flight"]})
    assert rules["request", "in-flight"]["mode"] == "observe"
    running.append(client.business("echo"))
    await world.zone.wait_requests(4)
    _, told = await ask(world.gateway.addresses.admin, "GET", "/overload")
    (rule,) = (one for one in told["rules"] if one["rule"] == "in-flight")
    assert (rule["refused"], rule["would_reject"]) == (1, 1)
    assert world.gateway.stats()["would_reject"]["request"]["in-flight"] == 1
    gate.open()
    for message in running:
        assert wire.business(await client.reply(message)).code == 200


async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(world: World) -> None:
    for tables, why in (
        ({"limits": {"in_flight": 0}}, "limits.in_flight: 0 is out of bounds"),
        ({"limits": {"nonsense": 1}}, "limits.nonsense: unknown key"),
        ({"limits": {"max_half_open": 10, "retry_above": 10}}, "handshakes fill the gateway"),
        ({"overload": {"observe": ["nonsense"]}}, "overload.observe names 'nonsense'"),
        ({"overload": {"memory_stages": [0.9, 0.8, 0.7, 0.6]}}, "write growing shares"),
        ({"upstream": {"hello": []}}, "upstream.hello cannot be changed here"),
        ({"server": {}}, "'server' cannot be changed here"),
        ({"limits": 3}, "'limits' must be an object"),
        ([1], "the body must be a JSON object"),
    ):
        before = await settings(world)
        status, told = await ask(world.gateway.addresses.admin, "POST", "/overload", tables)
        assert status == 400
        assert why in told["error"]["message"], told
        assert await settings(world) == before


async def test_an_operator_ends_a_session(world: World) -> None:
    admin = world.gateway.addresses.admin
    alice, bob = await world.online("alice"), await world.online("bob")
    assert await ask(admin, "POST", "/sessions/kick", {"openid": "alice", "reason": "cheating"}) == (200, {"kicked": 1})
    assert await assert_closed(alice, CloseCode.KICKED) == "KICKED: cheating"
    assert bob.started is not None
    named = {"session_id": bob.started.connection_id}
    assert (await ask(admin, "POST", "/sessions/kick", named))[0] == 200
    assert await assert_closed(bob, CloseCode.KICKED) == "KICKED: an operator ended the session"
    back = await world.back(alice, 0)
    assert back.started is not None
    assert (back.started.success, back.started.resumed) == (True, False), "a kicked session cannot be resumed"
    status, told = await ask(admin, "POST", "/sessions/kick", {"openid": "carol"})
    assert (status, told["error"]["code"]) == (404, "NOT_FOUND")
    assert world.gateway.stats()["counters"]["sessions_kicked"] == 2


async def test_a_kick_that_says_nothing_useful_is_refused(world: World) -> None:
    for body, why in (
        ({}, "exactly one of openid and session_id"),
        ({"openid": "a", "session_id": "b"}, "exactly one of openid and session_id"),
        ({"openid": 7}, "must be a string"),
        ({"openid": "a", "reason": "x" * 129}, "at most 128"),
        ({"openid": "a", "reason": "two\nlines"}, "one line"),
        ({"openid": "a", "gid": "g"}, "unknown: gid"),
    ):
        status, told = await ask(world.gateway.addresses.admin, "POST", "/sessions/kick", body)
        assert status == 400
        assert why in told["error"]["message"], told


async def test_a_reload_takes_bounds_and_modes_also_for_sessions_that_are_there(
    tmp_path: Path, certificate: tuple[Path, Path], parts: Parts
) -> None:
    async with RawUpstream("all") as upstream:
        site = Site(tmp_path, upstream, overload={"observe": ["in-flight"]})
        async with site.serve(parts) as gateway:
            client = await online(gateway, "alice")
            assert not await errors_of(client, 10)
            site.tables["limits"] |= {"messages_per_second": 1, "message_burst": 2, "requests_per_second": 5000}
            site.tables["overload"] = {"observe": []}
            site.write()
            changed = (await reload(gateway))["changed"]
            assert {"limits.messages_per_second", "limits.requests_per_second", "overload.observe"} <= set(changed)
            refused = await errors_of(client, 10)
            assert {wire.error(push).error_code for push in refused} == {429}
            assert len(refused) >= 7
            site.tables["overload"] = {"observe": ["nonsense"]}
            site.write()
            status, told = await ask(gateway.ready.admin, "POST", "/reload")
            assert (status, "overload.observe names 'nonsense'" in told["error"]["message"]) == (409, True)
            await client.close()
