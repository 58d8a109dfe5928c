"""The one terminal reply of a request: sent or not, what it took in memory is given back."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from quicgw_fast import backend
from quicgw_fast.codes import PushType
from quicgw_fast.config import LimitsConfig
from quicgw_fast.delivery import OrderedSender
from quicgw_fast.flow.replies import Replies
from quicgw_fast.flow.request_memory import RequestMemory
from quicgw_fast.flow.stages import StageTimes
from quicgw_fast.observe import Metrics
from quicgw_fast.ports import TerminalReply
from quicgw_fast.processor import AsyncTask
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.session import Event

if TYPE_CHECKING:
    from quicgw_fast.flow.elsewhere import HandedReply
    from quicgw_fast.session import Session
    from tests.flow.house import Client, House


class Desk:
    """The replies of a client that has one request under way, for which it is charged."""

    def __init__(self, client: Client) -> None:
        self.session = client.session
        self.metrics = Metrics()
        self.handed: list[HandedReply] = []
        self.memory = RequestMemory(self.metrics, LimitsConfig)
        sender: OrderedSender[Session] = OrderedSender(
            self.metrics, lambda _: None, lambda _: False, backend.push_to_all, attrgetter("link")
        )
        stages = StageTimes(client.house.clock.face, self.metrics)
        self.replies = Replies(
            client.house.clock.face,
            self.metrics,
            self.memory,
            stages,
            sender,
            lambda _, handed: self.handed.append(handed),
        )
        seq = self.session.outbox.max_client_seq + 1
        assert self.session.outbox.accept(seq) == 0
        request = UpstreamRequest(action="echo", client_seq_id=seq)
        self.task = AsyncTask(self.session, 7, request, 1000.0, 1030.0)
        self.task.cost = 1000
        self.memory.take(self.session, 1000)

    def reply(self, data: bytes = b"") -> bool:
        return self.replies.to_task(self.task, TerminalReply(PushType.BUSINESS_DATA, 200, "", data))

    def counts(self) -> dict[str, int]:
        return {name: self.metrics.count(name) for name in ("replies", "errors", "replies_dropped")}


@pytest.fixture
async def client(house: House) -> Client:
    return await house.online()


async def test_a_reply_is_sent_and_counted(client: Client) -> None:
    desk = Desk(client)
    assert desk.reply(b"x") is True
    assert client.texts == ["200 x"]
    assert desk.counts() == {"replies": 1, "errors": 0, "replies_dropped": 0}
    assert desk.memory.used == desk.task.cost == 0


async def test_a_session_that_ended_gets_no_reply(client: Client) -> None:
    """What was in flight was counted when it ended."""
    desk = Desk(client)
    client.session.apply(Event.STOPPED, 0.0)
    assert desk.reply() is False
    assert client.texts == []
    assert desk.counts() == {"replies": 0, "errors": 0, "replies_dropped": 0}
    assert desk.memory.used == 0
    assert not desk.handed


async def test_one_of_a_session_that_moved_is_handed_on(client: Client, house: House) -> None:
    desk = Desk(client)
    house.path.registry.move(client.session, 0.0)
    assert desk.reply(b"x") is False
    (handed,) = desk.handed
    assert (handed.session_id, handed.client_seq, handed.reply.data) == (client.session.id, 2, b"x")
    assert desk.counts() == {"replies": 0, "errors": 0, "replies_dropped": 0}
    assert desk.memory.used == 0


async def test_what_is_too_large_for_a_message_is_an_error(client: Client) -> None:
    desk = Desk(client)
    assert desk.reply(bytes(1 << 20)) is False
    assert client.texts == ["error 500"]
    assert desk.counts() == {"replies": 0, "errors": 1, "replies_dropped": 0}
    assert desk.memory.used == 0


async def test_a_session_that_overflowed_misses_it(client: Client) -> None:
    desk = Desk(client)
    client.session.outbox.mark_overflow()
    assert desk.reply() is False
    assert client.texts == []
    assert desk.counts() == {"replies": 0, "errors": 0, "replies_dropped": 1}
    assert desk.memory.used == 0


async def test_a_bug_on_the_way_down_keeps_no_memory(client: Client) -> None:
    desk = Desk(client)
    assert desk.reply()
    desk.task.cost = 500
    desk.memory.take(desk.session, 500)
    with pytest.raises(Exception, match="in flight"):
        desk.reply()
    assert desk.memory.used == 0
