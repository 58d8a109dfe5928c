"""What nodes say to each other: real servers and lines on loopback, and a desk that notes what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Never

import pytest

from quicgw_fast.cluster.lease import Vouched
from quicgw_fast.cluster.peering import NodeAccess, NodeClient, NodeServer
from quicgw_fast.cluster.peering.carrying import MOST_BYTES, MOST_ITEMS, UNDER_WAY
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.errors import StartupError
from quicgw_fast.placement import UNCOUNTED
from quicgw_fast.proto import node_pb2 as pb
from quicgw_fast.proto.service_pb2 import (
    BroadcastRequest,
    BroadcastResponse,
    UnicastPushRequest,
    UnicastPushResponse,
)
from quicgw_fast.proto.session_pb2 import SessionState
from tests.support.authority import Authority
from tests.support.tcp_relay import TcpRelay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.cluster.peering.lines import AddressOf

NODE, OTHER = "node-1.aaaa", "node-2.bbbb"
GIVEN = [SessionState(came_from=OTHER).SerializeToString() + each for each in (b"one", b"two")]
"""Each says where it is from."""


def knows(addresses: dict[str, str]) -> AddressOf:
    async def address_of(node: str) -> str | None:
        return addresses.get(node)

    return address_of


class NotingDesk:
    """Answers nearly everything, and knows what it was asked for."""

    def __getattr__(self, name: str) -> Any:
        return partial(self._unasked, name)

    async def _unasked(self, name: str, request: object) -> Never:
        raise NotImplementedError(f"{name}: {request}")

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.hangs = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, request: pb.FetchRequest) -> pb.FetchResponse:
        self.asked.append(request)
        return pb.FetchResponse(sessions=[b"one", b"two"], outdated=request.generation < 5)

    async def confirm(self, request: pb.ConfirmRequest) -> pb.ConfirmResponse:
        self.asked.append(request)
        return pb.ConfirmResponse()

    async def carry(self, request: pb.CarryRequest) -> pb.CarryResponse:
        self.asked.append(request)
        await self.gate.wait()
        answers = [UnicastPushResponse(success=True, message=push.target_id) for push in request.pushes]
        return pb.CarryResponse(answers=answers, taken=[reply.client_seq != 13 for reply in request.replies])

    async def push(self, request: UnicastPushRequest) -> UnicastPushResponse:
        self.asked.append(request)
        return UnicastPushResponse(success=True, message="waited")

    async def broadcast(self, request: BroadcastRequest) -> BroadcastResponse:
        if request.title == "bug":
            raise RuntimeError("a bug")
        self.asked.append(request)
        await self.gate.wait()
        return BroadcastResponse(sent_count=3)

    async def kick(self, request: pb.KickRequest) -> pb.KickResponse:
        self.asked.append(request)
        return pb.KickResponse(ended=2)

    async def vouch(self, request: pb.VouchRequest) -> pb.VouchResponse:
        return pb.VouchResponse(outcome=("promised" if request.node == NODE else "refused"))

    async def describe(self, request: pb.DescribeRequest) -> pb.DescribeResponse:
        assert request.node == NODE, "who asks"
        if self.hangs:
            await self.gate.wait()
        return pb.DescribeResponse(version="1", state="serving", sessions=7)

    def carried(self) -> list[pb.CarryRequest]:
        return [request for request in self.asked if isinstance(request, pb.CarryRequest)]


@contextlib.asynccontextmanager
async def lined(
    desk: NotingDesk, server: NodeAccess | None = None, client: NodeAccess | None = None
) -> AsyncIterator[NodeClient]:
    """A client of one node, whose name is OTHER."""
    access = server or NodeAccess()
    running = await NodeServer.start(OTHER, "127.0.0.1", 0, desk, access)
    lines = NodeClient(NODE, client or access, knows({OTHER: running.address}))
    try:
        yield lines
    finally:
        await lines.close()
        await running.stop()


@pytest.fixture
def desk() -> NotingDesk:
    return NotingDesk()


def a_push(target: str, size: int = 0, wait: int = 0) -> UnicastPushRequest:
    return UnicastPushRequest(target_type="openid", target_id=target, data=bytes(size), wait_ack_ms=wait)


async def test_each_question_has_its_answer(desk: NotingDesk) -> None:
    async with lined(desk) as node:
        assert await node.fetch(OTHER, "alice", 3, 9, ("s1",), UNCOUNTED) == GIVEN
        await node.confirm(OTHER, "alice", 3)
        assert await node.vouch(OTHER, "era") is Vouched.PROMISED
        assert await node.kick(OTHER, "alice", "", "why") == 2
        assert (await node.broadcast(OTHER, BroadcastRequest(title="all"))).sent_count == 3
        assert (await node.describe(OTHER)).sessions == 7
        assert (await node.push(OTHER, a_push("bob", wait=50))).message == "waited"
    assert desk.asked[:2] == [
        pb.FetchRequest(node=NODE, openid="alice", held=3, generation=9, session_ids=["s1"]),
        pb.ConfirmRequest(openid="alice", held=3),
    ]


async def test_an_outdated_claim_gets_nothing_and_hears_why(desk: NotingDesk) -> None:
    async with lined(desk) as node:
        with pytest.raises(PeerUnreachable, match="a newer claim"):
            await node.fetch(OTHER, "alice", 3, 4, (), UNCOUNTED)


async def test_who_listens_where_a_node_was_before_is_not_taken_for_it(desk: NotingDesk) -> None:
    async with lined(desk) as node:
        address = await node._lines._address_of(OTHER)
        gone = NodeClient(NODE, NodeAccess(), knows({"gone": str(address)}))
        with pytest.raises(PeerUnreachable, match=f"gone: it is no more: {OTHER} listens there") as error:
            await gone.broadcast("gone", BroadcastRequest(title="all"))
        await gone.close()
    assert error.value.surely
    assert desk.asked == []


async def test_pushes_and_replies_of_one_turn_go_together_and_are_answered_one_by_one(desk: NotingDesk) -> None:
    async with lined(desk) as node:
        replies = [node.hand_on(OTHER, pb.HandedReply(session_id="s", client_seq=number)) for number in (12, 13)]
        pushes = [asyncio.create_task(node.push(OTHER, a_push(f"user-{number}"))) for number in range(50)]
        assert [(await push).message for push in pushes] == [f"user-{number}" for number in range(50)]
        assert [await reply for reply in replies] == [True, False]
    assert len(desk.carried()) <= UNDER_WAY


async def test_under_load_calls_grow_instead_of_becoming_more(desk: NotingDesk) -> None:
    desk.gate.clear()
    async with lined(desk) as node:
        pushes = []
        for number in range(2000):
            pushes.append(asyncio.create_task(node.push(OTHER, a_push(str(number)))))
            if number % 100 == 0:
                await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while len(desk.carried()) < UNDER_WAY:
                await asyncio.sleep(0.01)
        desk.gate.set()
        assert [(await push).message for push in pushes] == [str(number) for number in range(2000)]
    calls = desk.carried()
    assert len(calls) <= 2000 / MOST_ITEMS + UNDER_WAY + 1
    assert max(len(call.pushes) for call in calls) == MOST_ITEMS


async def test_a_call_is_bounded_in_bytes(desk: NotingDesk) -> None:
    async with lined(desk) as node:
        pushes = [asyncio.create_task(node.push(OTHER, a_push(str(number), 400_000))) for number in range(5)]
        assert [(await push).success for push in pushes] == [True] * 5
    assert max(call.ByteSize() for call in desk.carried()) <= MOST_BYTES + 1000


@pytest.mark.parametrize("shown", [None, "another secret, as long"])
async def test_who_does_not_know_the_secret_is_refused_before_anything_is_read(
    desk: NotingDesk, shown: str | None
) -> None:
    async with lined(desk, NodeAccess("the secret of all nodes"), NodeAccess(shown)) as node:
        with pytest.raises(PeerUnreachable, match=r"cluster\.secret_file") as refused:
            await node.fetch(OTHER, "alice", 3, 9, (), UNCOUNTED)
        assert refused.value.surely
        with pytest.raises(PeerUnreachable):
            await node.push(OTHER, a_push("alice"))
    assert not desk.asked


async def test_who_knows_the_secret_is_served(desk: NotingDesk) -> None:
    async with lined(desk, NodeAccess("the secret of all nodes")) as node:
        assert await node.fetch(OTHER, "alice", 3, 9, (), UNCOUNTED) == GIVEN


async def test_nodes_show_each_other_certificates_of_their_authority(desk: NotingDesk) -> None:
    ours, strange = Authority("nodes"), Authority("strangers")
    access = NodeAccess(ca=ours.pem, **ours.client("node-2"))
    async with lined(desk, access, NodeAccess(ca=ours.pem, **ours.client("node-1"))) as node:
        assert await node.vouch(OTHER, "era") is Vouched.PROMISED
    for stranger in (
        NodeAccess(ca=ours.pem, **strange.client("node-1")),
        NodeAccess(ca=strange.pem, **ours.client("node-1")),
        NodeAccess(),
    ):
        async with lined(desk, access, stranger) as node:
            with pytest.raises(PeerUnreachable) as refused:
                await node.fetch(OTHER, "alice", 3, 9, (), UNCOUNTED)
            assert refused.value.surely
    assert not desk.asked


async def test_a_node_that_is_gone_is_told_at_once_and_surely(desk: NotingDesk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        node = NodeClient(NODE, NodeAccess(), knows({OTHER: f"127.0.0.1:{taken.getsockname()[1]}"}))
        async with asyncio.timeout(10):
            for ask in (node.fetch(OTHER, "alice", 3, 9, (), UNCOUNTED), node.push(OTHER, a_push("alice"))):
                with pytest.raises(PeerUnreachable, match=OTHER) as gone:
                    await ask
                assert gone.value.surely
            with pytest.raises(PeerUnreachable, match="no node of the cluster"):
                await node.vouch("node-3", "era")
        await node.close()


async def test_a_node_that_hangs_is_given_up_in_time_and_may_have_done_it(
    desk: NotingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quicgw_fast.cluster.peering.client.CARRIED_WITHIN", 0.2)
    desk.gate.clear()
    async with lined(desk) as node:
        with pytest.raises(PeerUnreachable, match="Deadline") as hanging:
            await node.push(OTHER, a_push("alice"))
        assert not hanging.value.surely


async def test_a_node_whose_line_breaks_off_may_have_done_what_it_was_asked_for(desk: NotingDesk) -> None:
    desk.gate.clear()
    server = await NodeServer.start(OTHER, "127.0.0.1", 0, desk, NodeAccess())
    async with TcpRelay(server.address) as relay:
        node = NodeClient(NODE, NodeAccess(), knows({OTHER: relay.address}))
        asking = asyncio.create_task(node.push(OTHER, a_push("alice")))
        async with asyncio.timeout(20):
            while not desk.carried():
                await asyncio.sleep(0.01)  # a server in this loop, which is to break off with the call under way
        relay.restore()  # which ends the connection
        with pytest.raises(PeerUnreachable) as broken:
            await asking
        await node.close()
    await server.stop()
    assert not broken.value.surely, "whoever asked another node now would have it done twice"


async def test_whoever_waits_is_told_when_this_node_stops(desk: NotingDesk) -> None:
    desk.gate.clear()
    async with lined(desk) as node:
        pushes = [asyncio.create_task(node.push(OTHER, a_push(str(number)))) for number in range(MOST_ITEMS * 3)]
        async with asyncio.timeout(20):
            while len(desk.carried()) < UNDER_WAY:
                await asyncio.sleep(0.01)
        await node.close()
        told = await asyncio.gather(*pushes, return_exceptions=True)
    assert {type(each) for each in told} == {PeerUnreachable}
    assert sum(isinstance(each, PeerUnreachable) and each.surely for each in told) == MOST_ITEMS


async def test_whoever_waits_is_told_when_a_node_is_gone_and_goes_on(desk: NotingDesk) -> None:
    """Its line is closed, which gRPC tells as if whoever waits had been cancelled."""
    desk.gate.clear()
    async with lined(desk) as node:
        waiting = asyncio.create_task(node.broadcast(OTHER, BroadcastRequest()))
        async with asyncio.timeout(20):
            while not desk.asked:
                await asyncio.sleep(0.01)
        node.keep(())
        with pytest.raises(PeerUnreachable, match="is gone"):
            await waiting


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_takes_long_is_waited_for_while_its_node_answers(
    desk: NotingDesk, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    monkeypatch.setattr("quicgw_fast.cluster.peering.client.ANSWER_WITHIN", 0.1)
    desk.gate.clear()
    desk.hangs = hangs
    async with lined(desk) as node:
        waiting = asyncio.create_task(node.broadcast(OTHER, BroadcastRequest()))
        if hangs:
            with pytest.raises(PeerUnreachable, match="Deadline"):
                await waiting
        else:
            done, _ = await asyncio.wait({waiting}, timeout=0.5)
            assert not done
            desk.gate.set()
            assert (await waiting).sent_count == 3


async def test_a_line_is_closed_when_its_node_is_gone_and_opened_again(desk: NotingDesk) -> None:
    async with lined(desk) as node:
        assert await node.vouch(OTHER, "era") is Vouched.PROMISED
        node.keep(())
        assert await node.vouch(OTHER, "era") is Vouched.PROMISED


async def test_a_bug_at_the_desk_is_an_answer(desk: NotingDesk, caplog: pytest.LogCaptureFixture) -> None:
    async with lined(desk) as node:
        with pytest.raises(PeerUnreachable, match="internal error"):
            await node.broadcast(OTHER, BroadcastRequest(title="bug"))
    assert [record.message for record in caplog.records if record.name == "quicgw.cluster"] == ["node call failed"]


async def test_an_address_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartupError, match=r"set cluster\.listen"):
            await NodeServer.start(OTHER, "127.0.0.1", taken.getsockname()[1], NotingDesk(), NodeAccess())
