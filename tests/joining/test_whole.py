"""What an operator asks any node about all of them: who is there, in which groups, and to have one of them stop."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from quicgw_fast.cli.asking import AdminPages
from quicgw_fast.proto import service_pb2 as pb
from tests.cli.process import in_process
from tests.joining.nodes import Nodes
from tests.support.directory_server import DirectoryServer, until
from tests.support.parts import Parts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from quicgw_fast.gateway import Gateway
    from tests.support.raw_client import RawClient

LEASE = 3.0
"""Seconds: commands run in this process, and hold it up."""
_numbers = itertools.count(10)


def some(count: int) -> list[str]:
    """So many openids that nobody had before: what a test leaves behind in the directory is no other's."""
    return [f"user-{next(_numbers)}" for _ in range(count)]


@pytest.fixture(scope="module")
def directory() -> Iterator[DirectoryServer]:
    """One for all tests of this file: what differs between directories is not on the way of these questions."""
    server = DirectoryServer()
    server.start()
    server.was_used_before()
    yield server
    server.close()


@pytest.fixture
async def nodes(certificate: tuple[Path, Path], directory: DirectoryServer) -> AsyncIterator[Nodes]:
    async with Nodes(Parts(), certificate, directory.url, cluster={"lease": LEASE}) as nodes:
        yield nodes


async def ask(gateway: Gateway, path: str, method: str = "GET", **asked: str) -> tuple[int, Any]:
    pages = AdminPages(gateway.addresses.admin, None, 20.0)
    return await asyncio.to_thread(pages.ask, method, f"{path}?{urlencode(asked)}" if asked else path)


def id_of(client: RawClient) -> str:
    assert client.started is not None
    return client.started.connection_id


async def command(*words: str) -> tuple[int, str]:
    done = await asyncio.to_thread(in_process, *words)
    assert done.stderr == ""
    return done.returncode, done.stdout


async def test_any_node_tells_of_the_sessions_of_all(nodes: Nodes) -> None:
    openids = some(6)
    clients = [await nodes.online(number % 2, openid) for number, openid in enumerate(openids)]
    seen: list[dict[str, Any]] = []
    asked = {"limit": "2"}
    for number in range(3):  # each page of another node than the one before
        status, page = await ask(nodes.gateways[number % 2], "/sessions", **asked)
        assert (status, page["total"], page["unreached_nodes"]) == (200, 6, [])
        seen += page["sessions"]
        asked["cursor"] = page["next"]
    assert page["next"] is None
    assert [session["id"] for session in seen] == sorted(id_of(client) for client in clients)
    at = {session["openid"]: session["node"].partition(".")[0] for session in seen}
    assert at == {openid: f"node-{number % 2}" for number, openid in enumerate(openids)}
    _, page = await ask(nodes.gateways[0], "/sessions", scope="node", state="NORMAL")
    assert (page["total"], {one["node"].partition(".")[0] for one in page["sessions"]}) == (3, {"node-0"})
    status, refused = await ask(nodes.gateways[0], "/sessions", cursor="no-id")
    assert (status, refused["error"]["code"]) == (400, "BAD_PARAMETER")
    _, stats = await ask(nodes.gateways[0], "/stats")
    known = stats["cluster"]
    assert (known["nodes"], known["claims"], known["directory_up"]) == (2, 3, True)
    assert known["standing"] == {"held": True, "vouched": False, "suspended": False}
    assert 0 < known["directory_latency"] < known["lease_remaining"] <= LEASE

    _, first = await ask(nodes.gateways[0], "/sessions", limit="3")
    for openid, client in zip(openids[::2], clients[::2], strict=True):  # all go to the other node
        assert client.started is not None
        there = await nodes.client(1)
        assert (await there.start(openid, "", 1, id_of(client), client.started.epoch)).resumed
    _, second = await ask(nodes.gateways[1], "/sessions", limit="3", cursor=first["next"])
    shown = [session["openid"] for session in (*first["sessions"], *second["sessions"])]
    assert sorted(shown) == openids, "who moves between two pages is on one of them"


async def test_commands_reach_the_session_wherever_it_is(nodes: Nodes) -> None:
    (alice,) = some(1)
    session_id, admin = id_of(await nodes.online(1, alice)), ("--admin", nodes.gateways[0].addresses.admin)
    status, told = await command("sessions", *admin, "--openid", alice, "--json")
    assert (status, json.loads(told)["sessions"][0]["id"]) == (0, session_id)
    status, told = await command("sessions", *admin)
    assert (status, "NODE" in told.splitlines()[0], told.splitlines()[-1]) == (0, True, "1 of 1 session")
    assert (await command("sessions", *admin, "--here"))[1] == "0 of 0 sessions\n"
    for who in (session_id, session_id[:8], f"openid:{alice}"):
        status, told = await command("session", who, *admin, "--json")
        assert (status, json.loads(told)["id"], json.loads(told)["node"].partition(".")[0]) == (0, session_id, "node-1")
    assert (await ask(nodes.gateways[0], f"/sessions/{session_id}", scope="node"))[0] == 404
    assert await command("kick", f"session:{session_id[:8]}", *admin) == (0, "kicked\n")
    status, told = await command("session", session_id, *admin, "--json")
    assert (status, json.loads(told)["state"]) == (0, "CLOSED"), "one that ended is remembered where it was"


async def test_groups_are_those_of_all_nodes(nodes: Nodes) -> None:
    openids = some(4)
    for number, openid in enumerate(openids):
        await nodes.online(number % 2, openid)
        for group in ("all", f"room-{number % 2}"):
            request = pb.JoinGroupRequest(target_type="openid", target_id=openid, group=group)
            assert (await nodes.pushers[0].stub.JoinGroup(request)).success
    admin = ("--admin", nodes.gateways[1].addresses.admin)
    status, told = await command("group", "list", *admin, "--json")
    listed = json.loads(told)
    assert (status, listed["memberships"]) == (0, 8)
    assert listed["groups"] == [{"name": "all", "members": 4}, *({"name": f"room-{n}", "members": 2} for n in (0, 1))]
    _, page = await ask(nodes.gateways[0], "/groups", limit="1", cursor="all")
    assert (page["groups"], page["next"]) == ([{"name": "room-0", "members": 2}], "room-0")
    assert (await command("group", "list", *admin))[1].splitlines()[-1] == "3 of 3 groups"
    assert len(json.loads((await command("group", "list", *admin, "--here", "--json"))[1])["groups"]) == 2

    members, asked = [], pb.GroupMembersRequest(group="all", limit=1)
    for number in range(4):  # each page of another node than the one before
        of_them = await nodes.pushers[number % 2].stub.GroupMembers(asked)
        members += [member.openid for member in of_them.members]
        asked.cursor = of_them.next
    assert (sorted(members), of_them.next) == (openids, "")
    asked.cursor = "nowhere/7"
    of_them = await nodes.pushers[0].stub.GroupMembers(asked)
    assert (of_them.success, list(of_them.unreached_nodes)) == (True, ["nowhere"])


@pytest.fixture
async def stoppable(certificate: tuple[Path, Path], directory: DirectoryServer) -> AsyncIterator[Nodes]:
    """Nodes that can be asked to stop."""
    tables = {"cluster": {"lease": LEASE}, "processor": {"drain_timeout": 20.0}}
    async with Nodes(Parts(), certificate, directory.url, stoppable=True, **tables) as nodes:
        yield nodes


async def test_a_node_is_drained_through_another_one(stoppable: Nodes) -> None:
    (alice,) = some(1)
    client = await stoppable.online(1, alice)
    first = stoppable.gateways[0]
    assert client.started is not None
    admin = ("--admin", first.addresses.admin)
    waiting = asyncio.create_task(command("drain", *admin, "--node", "node-1", "--wait", "--json"))
    await client.wait_closed()
    there = await stoppable.client(0)
    assert (await there.start(alice, "", 1, id_of(client), client.started.epoch)).resumed
    status, told = await waiting
    assert (status, json.loads(told)["nodes"][0].partition(".")[0]) == (0, "node-1")
    assert json.loads(told)["ended_after"] < 15, "nobody is left, and its lease is given back"
    _, view = await ask(first, "/cluster")
    assert [node["name"].partition(".")[0] for node in view["nodes"]] == ["node-0"]
    status, told = await command("drain", *admin, "--node", "node-1")
    assert (status, told.partition(";")[0]) == (1, "refused: no node of the cluster is called 'node-1'")


async def test_who_waits_for_a_node_sees_its_end_though_the_directory_is_away(certificate: tuple[Path, Path]) -> None:
    """In which it would have said that it leaves."""
    server = DirectoryServer()
    server.start()
    try:
        async with Nodes(Parts(), certificate, server.url, stoppable=True, cluster={"lease": LEASE}) as nodes:
            first = nodes.gateways[0]
            server.kill()
            asked = "drain", "--admin", first.addresses.admin, "--node", "node-1", "--wait", "--json"
            status, told = await command(*asked)
            assert (status, json.loads(told)["ended_after"] < 15) == (0, True), told
            views = (await ask(first, "/cluster"))[1]["nodes"]
            assert [(node["reached"], node["ended"]) for node in views] == [(True, False), (False, True)]
    finally:
        server.close()


async def test_where_all_nodes_stop_nobody_waits_for_another_one(stoppable: Nodes) -> None:
    for number, openid in enumerate(some(6)):
        await stoppable.online(number % 2, openid)
    status, told = await command("drain", "--admin", stoppable.gateways[0].addresses.admin, "--all", "--json")
    assert (status, len(json.loads(told)["nodes"]), json.loads(told)["unreached_nodes"]) == (0, 2, [])
    await until(lambda: all(task.done() for task in stoppable.stopping), within=15.0)
