"""Nodes that write their sessions down: one is killed in the middle of everything, and its clients go on elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.proto.client_pb2 import PUSH_ERROR
from tests.joining.nodes import Nodes
from tests.joining.processes import two_processes
from tests.support import wire
from tests.support.directory_server import until
from tests.support.parts import GATEWAYS
from tests.support.raw_upstream import RawPusher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quicgw_fast.proto.client_pb2 import ServerPush
    from tests.support.directory_server import DirectoryServer
    from tests.support.raw_client import RawClient

REPLICATED = 'retain = "replicated"'


@pytest.mark.parametrize("made_of", ["fast", "python"])
async def test_what_was_seen_survives_the_kill_of_a_node(
    certificate: tuple[Path, Path], used_server: DirectoryServer, tmp_path: Path, made_of: str
) -> None:
    """No reset, no hole, nothing twice; each request has one reply, 500 where nobody knows; what was pushed comes."""
    parts = GATEWAYS[made_of]
    async with two_processes(certificate, used_server.url, tmp_path, parts, REPLICATED) as processes:
        never = processes.service.hold("never")
        first = await processes.online(0, "alice")
        first.business("never")
        await processes.service.wait_requests(1, "never")
        taken: list[bytes] = []
        async with RawPusher(processes.nodes[1].ready.grpc) as pusher:
            pushing = asyncio.create_task(_push(pusher, taken))
            asked = await _ask_until(first, lambda: len(taken) >= 30)
            await processes.nodes[0].kill()
            last = first.last_seq
            second = await processes.comes_back(1, first, last)
            assert second.started is not None
            assert second.started.resumed
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)
        arrived = second.started.max_client_seq
        assert 2 < arrived <= 2 + asked
        second.next_seq, second.next_msg = arrived + 1, first.next_msg
        assert wire.business(await second.call("echo")).code == 200
        seen = _seen(first, second)
        assert sorted(seen) == list(range(1, max(seen) + 1))
        replies = [push for push in seen.values() if push.msg_id]
        assert len(replies) == len({push.msg_id for push in replies}) == arrived + 1
        failed = [wire.error(push).error_code for push in replies if push.type == PUSH_ERROR]
        assert set(failed) == {500}
        notified = [wire.business(push).data for push in seen.values() if wire.is_notify(push)]
        assert len(notified) == len(set(notified))
        assert set(taken) <= set(notified)
        calls = [request.client_seq_id for request in processes.service.requests]
        assert len(calls) == len(set(calls)), "none ran twice"
        never.open()


async def _push(pusher: RawPusher, taken: list[bytes]) -> None:
    number = 0
    while True:
        number += 1
        data = b"%d" % number
        if (await pusher.push("alice", data=data)).success:
            taken.append(data)


async def _ask_until(client: RawClient, enough: Callable[[], bool]) -> int:
    asked = 0
    async with asyncio.timeout(20):
        while not enough():
            client.business("echo")
            asked += 1
            await asyncio.sleep(0.005)
    return asked


def _seen(*clients: RawClient) -> dict[int, ServerPush]:
    seen: dict[int, ServerPush] = {}
    for client in clients:
        for push in client.log:
            if push.seq_id:
                assert seen.setdefault(push.seq_id, push) == push, f"number {push.seq_id} is two messages"
    return seen


async def test_sessions_of_such_nodes_move_and_stop_as_ever(
    certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    cluster = {"cluster": {"retain": "replicated"}}
    async with Nodes(GATEWAYS["plain"], certificate, used_server.url, **cluster) as nodes:
        first = await nodes.online(0, "alice")
        assert first.started is not None
        assert (await nodes.pushers[1].push("alice", data=b"one")).success
        await first.wait_for(wire.is_notify)
        second = await nodes.client(1)
        answer = await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)
        assert answer.resumed
        assert (await nodes.pushers[0].push("alice", data=b"two")).success
        await second.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == b"two")
        assert [push.seq_id for push in second.log if push.seq_id] == [2, 3]
        second.stop()
        await until(lambda: used_server.command("KEYS", "*:replica:*").strip() == b"*0")
