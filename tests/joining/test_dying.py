"""Nodes that die, hang and wake up again: as processes, with real signals."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.asking import AdminPages
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto import service_pb2
from quicgw_fast.service import GatewayUnreachable, Service
from tests.joining.processes import Processes, two_processes
from tests.support import wire
from tests.support.parts import Parts
from tests.support.raw_upstream import RawPusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.directory_server import DirectoryServer

PATIENCE = 5.0
"""Seconds that tools wait for an answer, if they are not told otherwise."""


@pytest.fixture
async def processes(
    certificate: tuple[Path, Path], used_server: DirectoryServer, tmp_path: Path
) -> AsyncIterator[Processes]:
    async with two_processes(certificate, used_server.url, tmp_path, Parts()) as processes:
        yield processes


async def test_a_session_whose_node_was_killed_is_reset_with_that_reason(processes: Processes) -> None:
    first = await processes.online(0, "alice")
    await processes.nodes[0].kill()
    second = await processes.comes_back(1, first, first.last_seq)
    assert second.started is not None
    assert (second.started.resumed, second.started.reset_reason) == (False, pb.RESET_REASON_NODE_LOST)
    await second.hello()
    assert wire.business(await second.call("echo")).code == 200


async def named_by_what_operators_ask(pages: AdminPages) -> None:
    """What they ask about all nodes says which one hangs."""
    ask = partial(asyncio.to_thread, pages.ask)
    paths = ("GET", "/sessions"), ("GET", "/groups"), ("GET", "/sessions/0"), ("POST", "/drain?node=node-0")
    (_, sessions), (_, groups), *refused = await asyncio.gather(*(ask(*path) for path in paths))
    assert [one["openid"] for one in sessions["sessions"]] == ["bob"]
    assert (len(sessions["unreached_nodes"]), len(groups["unreached_nodes"])) == (1, 1)
    for status, told in refused:
        assert (status, told["error"]["code"]) == (503, "NODE_UNREACHABLE")


async def members_are_not_left_out_without_a_word(service: Service) -> None:
    with pytest.raises(GatewayUnreachable, match="may have members"):
        assert [member async for member in service.group_members("room")] == []


async def test_what_a_node_that_hangs_holds_up_ends_soon_and_says_so(processes: Processes) -> None:
    await processes.online(0, "alice")
    other = await processes.online(1, "bob")
    service = Service("business", gateway=processes.nodes[1].ready.grpc)
    service.action("echo")(lambda: None)
    pages = AdminPages(processes.nodes[1].ready.admin, None, 20.0)
    kick = partial(asyncio.to_thread, pages.ask, "POST", "/sessions/kick", {"openid": "alice"})
    async with RawPusher(processes.nodes[1].ready.grpc) as pusher, service.running():
        processes.nodes[0].signal(signal.SIGSTOP)
        present = pusher.stub.SessionsOf(service_pb2.SessionsOfRequest(openid="alice"))
        asked = named_by_what_operators_ask(pages), members_are_not_left_out_without_a_word(service)
        async with asyncio.timeout(PATIENCE):
            answer, (status, told), of_alice, *_ = await asyncio.gather(
                pusher.broadcast(data=b"hi"), kick(), present, *asked
            )
        processes.nodes[0].signal(signal.SIGCONT)
    assert (answer.sent_count, len(answer.unreached_nodes)) == (1, 1)
    assert (len(of_alice.sessions), len(of_alice.unreached_nodes)) == (0, 1)
    assert (status, told["error"]["code"]) == (503, "NODE_UNREACHABLE")
    await other.wait_for(wire.is_notify)


async def test_a_node_that_was_stopped_for_long_acts_for_nobody_who_left_it(processes: Processes) -> None:
    first, stays = await processes.online(0, "alice"), await processes.online(0, "bob")
    processes.nodes[0].signal(signal.SIGSTOP)
    second = await processes.comes_back(1, first, first.last_seq)
    assert second.started is not None
    assert second.started.reset_reason == pb.RESET_REASON_NODE_LOST
    await second.hello()
    before = len(first.log)
    processes.nodes[0].signal(signal.SIGCONT)
    async with RawPusher(processes.nodes[0].ready.grpc) as pusher:
        async with asyncio.timeout(20):
            while not (answer := await pusher.push("alice", data=b"hi")).success:
                assert answer.error_code in {"DIRECTORY_UNAVAILABLE", "NODE_UNREACHABLE", "MOVED"}, answer
                await asyncio.sleep(0.05)
        await second.wait_for(wire.is_notify)
        assert (await pusher.push("bob", data=b"hi")).success
    await stays.wait_for(wire.is_notify)
    assert not [push for push in first.log[before:] if push.seq_id], "the woken node sends alice nothing"


async def test_two_nodes_that_die_together_are_told_of_by_the_third(processes: Processes) -> None:
    clients = [await processes.online(node, f"user-{node}") for node in (0, 1)]
    third = await processes.add()
    await asyncio.gather(*(node.kill() for node in processes.nodes[:2]))
    for client in clients:
        again = await processes.comes_back(third, client, client.last_seq)
        assert again.started is not None
        assert again.started.reset_reason == pb.RESET_REASON_NODE_LOST
