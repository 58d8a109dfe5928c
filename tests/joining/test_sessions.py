"""A client that comes to another node goes on as if it had been there before (protocol §2, several gateways)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from tests.support import wire

if TYPE_CHECKING:
    from tests.joining.nodes import Nodes


async def test_a_session_goes_on_at_another_node(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    assert first.started is not None
    for _ in range(3):
        await first.call("echo")
    last = first.last_seq
    second = await nodes.client(1)
    answer = await second.start("alice", "", last, first.started.connection_id, first.started.epoch)
    assert (answer.success, answer.resumed) == (True, True)
    assert (answer.epoch, answer.max_client_seq) == (first.started.epoch, 4)
    assert (await first.wait_closed()).code == CloseCode.SUPERSEDED
    second.next_seq = 5
    assert wire.business(reply := await second.call("echo")).code == 200
    assert reply.seq_id == last + 1


async def test_what_was_not_acknowledged_is_sent_by_the_other_node(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    assert first.started is not None
    for _ in range(3):
        await first.call("echo")
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)).resumed
    await second.wait_count(3)
    assert [push.seq_id for push in second.numbered] == [2, 3, 4]


async def test_a_request_under_way_is_answered_at_the_other_node(nodes: Nodes) -> None:
    gate = nodes.service.hold("slow")
    first = await nodes.online(0, "alice")
    assert first.started is not None
    message = first.business("slow")
    await nodes.service.wait_requests(1, "slow")
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)).resumed
    gate.open()
    assert wire.business(await second.reply(message)).code == 200
    assert nodes.count(0, "replies_handed_on") == 1
    assert nodes.count(1, "replies_from_elsewhere") == 1


async def test_a_fresh_start_at_another_node_takes_over(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    second = await nodes.online(1, "alice")
    assert (await first.wait_closed()).code == CloseCode.SUPERSEDED
    assert wire.business(await second.call("echo")).code == 200


async def test_a_push_through_any_node_reaches_the_session(nodes: Nodes) -> None:
    client = await nodes.online(1, "alice")
    assert client.started is not None
    for target_type, target_id in (("openid", "alice"), ("session", client.started.connection_id)):
        answer = await nodes.pushers[0].push(target_id, by=target_type, data=b"hi")
        assert (answer.success, answer.error_code) == (True, "")
    await client.wait_count(3)
    assert nodes.count(0, "pushes_forwarded") == 2
