"""The session cannot go on: everybody hears of it, exactly, and the client goes on with a new one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.client import (
    ConnectionClosed,
    GapReport,
    RateLimited,
    Reconnect,
    ReplyError,
    SessionReset,
    State,
    Ticket,
    Unauthorized,
)
from quicgw_fast.codes import CloseCode, PushType, RequestType, ResetReason
from quicgw_fast.proto.client_pb2 import BusinessResponse, ClientRequest, ErrorMessage
from tests.client.scripted import Peer, ScriptedGateway, echo, push

if TYPE_CHECKING:
    from tests.client.conftest import Connect, States
    from tests.client.scripted import Asked


def silence(asked: Asked) -> BusinessResponse | None:
    return BusinessResponse(code=200) if asked.action == "hello" else None


@pytest.mark.parametrize("reason", [r for r in ResetReason if r is not ResetReason.NONE])
async def test_calls_in_flight_hear_of_the_reset(
    gateway: ScriptedGateway, connect: Connect, states: States, reason: ResetReason
) -> None:
    client = await connect()
    gateway.answer = silence
    call = client.submit("slow")
    await gateway.until(lambda: len(gateway.asked) == 2)
    gateway.notify(b"before")
    await client.next_notify(timeout=5)
    gateway.refuse_resume = reason
    gateway.start_headers = {
        "gap-from": "3",
        "gap-to": "9",
        "gap-responses": "2",
        "gap-notifies": "5",
        "gap-acknowledged": "0",
        "gap-reason": reason.name,
    }
    gateway.peer.close(CloseCode.INTERNAL)
    with pytest.raises(SessionReset, match=reason.name) as caught:
        await call
    gap = GapReport(first=3, last=9, responses=2, notifies=5, acknowledged=0, reason=reason.name)
    assert (caught.value.reason, caught.value.gap) == (reason, gap)
    await states.reach(State.CONNECTED, count=2)
    assert states.names == ["connecting", "connected", "reconnecting", "reset", "connected"]
    event = states[3]
    assert (event.reason, event.gap, event.lost) == (reason, gap, 1)
    assert (event.session_id, event.epoch) == ("session-2", "epoch-2")
    assert not client.resumed
    # a second hello, numbers from 1 again, and messages that go on behind what was acknowledged
    assert [(asked.seq, asked.action) for asked in gateway.asked] == [(1, "hello"), (2, "slow"), (1, "hello")]
    gateway.answer = echo
    assert (await client.call("echo")).seq_id == 4


async def test_without_a_report_the_gap_is_unknown(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    await connect()
    gateway.session = None
    gateway.peer.close(CloseCode.INTERNAL)
    event = await states.reach(State.RESET)
    assert (event.reason, event.gap, event.lost) == (ResetReason.UNKNOWN_SESSION, None, 0)


async def test_calls_made_while_away_go_to_the_new_session_after_its_hello(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(reconnect=Reconnect(base=0.2, cap=0.2))
    gateway.session = None
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RECONNECTING)
    call = client.submit("echo", data=b"x")
    assert (await call).data == b"x"
    assert [(asked.seq, asked.action) for asked in gateway.asked[1:]] == [(1, "hello"), (2, "echo")]


async def test_without_automatic_login_the_application_logs_in(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(login=False)
    await client.call("hello")
    gateway.session = None
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.CONNECTED, count=2)
    await client.call("hello")
    assert [(asked.seq, asked.action) for asked in gateway.asked] == [(1, "hello"), (1, "hello")]


async def test_a_lost_hello_is_resumed_not_repeated(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    def cut(asked: Asked) -> None:
        gateway.answer = echo
        gateway.peers[-1].close(CloseCode.INTERNAL)
        gateway.hold_replies = True
        gateway.reply(asked, BusinessResponse(code=200, data=b"late"))
        gateway.hold_replies = False

    gateway.answer = cut
    client = await connect()
    assert client.hello is not None
    assert client.hello.data == b"late"
    assert [asked.action for asked in gateway.asked] == ["hello"]
    assert states.names == ["connecting", "reconnecting", "resumed", "connected"]


async def test_a_hello_that_fails_for_now_is_tried_again(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect()
    failures = [503, 500, 504]

    def not_yet(asked: Asked) -> BusinessResponse | ErrorMessage | None:
        if asked.action == "hello" and failures:
            return ErrorMessage(error_code=failures.pop(0), error_message="not yet")
        return echo(asked)

    gateway.answer = not_yet
    gateway.session = None
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESET)
    assert (await client.call("echo", data=b"x")).data == b"x"
    assert [asked.action for asked in gateway.asked[1:]] == ["hello", "hello", "hello", "hello", "echo"]


async def test_a_hello_that_is_refused_ends_the_client(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect()
    gateway.answer = lambda asked: ErrorMessage(error_code=403, error_message="banned")
    gateway.session = None
    gateway.peer.close(CloseCode.INTERNAL)
    event = await states.reach(State.CLOSED)
    assert isinstance(event.error, ReplyError)
    assert event.error.code == 403
    with pytest.raises(ConnectionClosed, match="banned"):
        await client.call("echo")


async def test_stored_notifies_are_delivered_once_over_resets(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect()
    gateway.notify(b"stored", {"offline-id": "17"})
    assert (await client.next_notify(timeout=5)).data == b"stored"
    gateway.session = None
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESET)
    gateway.notify(b"stored", {"offline-id": "17"})
    gateway.notify(b"new", {"offline-id": "18"})
    assert (await client.next_notify(timeout=5)).data == b"new"
    assert client.stats.offline_duplicates == 1
    await client.call("echo")


async def test_a_ticket_that_came_too_late(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(resume=Ticket("gone", "e", 41))
    assert states.names == ["connecting", "reset", "connected"]
    assert client.hello is not None
    assert client.hello.seq_id == 42


async def test_a_gateway_that_contradicts_itself_is_left_by_a_fresh_start(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect()
    gateway.answer = silence
    call = client.submit("slow")
    await gateway.until(lambda: len(gateway.asked) == 2)

    def other_epoch(peer: Peer, request: ClientRequest) -> bool:
        del gateway.on[RequestType.START]
        gateway.start_answer(peer, request, resumed=True, epoch="another")
        return True

    gateway.on[RequestType.START] = other_epoch
    gateway.peer.close(CloseCode.INTERNAL)
    with pytest.raises(SessionReset):
        await call
    start = gateway.peer.start
    assert start is not None
    assert (start.session_id, start.last_acked_seq_id) == ("", 0)
    gateway.answer = echo
    assert (await client.call("echo")).seq_id == 2
    assert client.stats.protocol_failures == 1


class TestCloseCodes:
    @pytest.mark.parametrize(
        "code",
        [
            CloseCode.NORMAL,
            CloseCode.AUTH_FAILED,
            CloseCode.PROTOCOL_ERROR,
            CloseCode.SUPERSEDED,
            CloseCode.KICKED,
            CloseCode.TOKEN_EXPIRED,
        ],
    )
    async def test_some_are_final(
        self, gateway: ScriptedGateway, connect: Connect, states: States, code: CloseCode
    ) -> None:
        client = await connect()
        gateway.answer = silence
        call = client.submit("slow")
        gateway.notify(b"last")
        await gateway.until(lambda: len(gateway.asked) == 2)
        gateway.peer.close(code, "go")
        for broken in (call, client.call("echo")):
            with pytest.raises(ConnectionClosed) as caught:
                await broken
            assert (caught.value.code, caught.value.reason) == (code, f"{code.name}: go")
        seen = []
        with pytest.raises(ConnectionClosed):
            async for notify in client.notifies():
                seen.append(notify.data)  # noqa: PERF401  (what came before the error counts)
        assert seen == [b"last"]
        assert states.names == ["connecting", "connected", "closed"]
        assert client.closed
        assert len(gateway.peers) == 1

    @pytest.mark.parametrize("code", [c for c in CloseCode if c >= CloseCode.IDLE])
    async def test_others_mean_to_come_back(
        self, gateway: ScriptedGateway, connect: Connect, states: States, code: CloseCode
    ) -> None:
        client = await connect()
        gateway.peer.close(code)
        assert (await client.call("echo")).ok
        assert states.names == ["connecting", "connected", "reconnecting", "resumed"]

    async def test_an_unknown_code_means_to_come_back(self, gateway: ScriptedGateway, connect: Connect) -> None:
        client = await connect()
        gateway.peer.connection.close(0x777, "FUTURE: who knows")
        assert (await client.call("echo")).ok


class TestRefusedStarts:
    @staticmethod
    def refuse(gateway: ScriptedGateway, code: int, headers: dict[str, str] | None = None, times: int = 1) -> None:
        left = [times]

        def hook(peer: Peer, request: ClientRequest) -> bool:
            if not left[0]:
                return False
            left[0] -= 1
            gateway.refuse_start(peer, request, code, CloseCode.AUTH_FAILED, headers)
            return True

        gateway.on[RequestType.START] = hook

    async def test_connecting_raises_it(self, gateway: ScriptedGateway, connect: Connect) -> None:
        self.refuse(gateway, 401)
        with pytest.raises(Unauthorized):
            await connect()
        self.refuse(gateway, 429, {"retry-after-ms": "1500"})
        with pytest.raises(RateLimited) as caught:
            await connect(connect_timeout=1)  # no time to come back
        assert caught.value.retry_after == 1.5

    async def test_a_first_start_comes_back_when_the_gateway_says_so(
        self, gateway: ScriptedGateway, connect: Connect
    ) -> None:
        self.refuse(gateway, 503, {"retry-after-ms": "100"}, times=2)
        client = await connect(reconnect=False)
        assert (await client.call("echo")).ok
        assert len(gateway.peers) == 3

    async def test_a_bad_token_ends_a_client_that_was_connected(
        self, gateway: ScriptedGateway, connect: Connect, states: States
    ) -> None:
        client = await connect()
        self.refuse(gateway, 401)
        gateway.peer.close(CloseCode.INTERNAL)
        event = await states.reach(State.CLOSED)
        assert isinstance(event.error, Unauthorized)
        with pytest.raises(ConnectionClosed) as caught:
            await client.call("echo")
        assert isinstance(caught.value.__cause__, Unauthorized)

    @pytest.mark.parametrize(("code", "headers"), [(429, {"retry-after-ms": "100"}), (503, {}), (500, {})])
    async def test_what_passes_is_tried_again(
        self, gateway: ScriptedGateway, connect: Connect, states: States, code: int, headers: dict[str, str]
    ) -> None:
        client = await connect()
        self.refuse(gateway, code, headers, times=2)
        gateway.peer.close(CloseCode.INTERNAL)
        assert (await client.call("echo")).ok
        delays = [event.delay for event in states if event.state is State.RECONNECTING]
        assert len(delays) == 3
        wish = int(headers.get("retry-after-ms", 0)) / 1000
        assert all(delay >= wish for delay in delays[1:])

    async def test_no_listener_at_all(self, gateway: ScriptedGateway, connect: Connect) -> None:
        await gateway.listener.close(CloseCode.NORMAL)
        with pytest.raises(ConnectionError, match="127"):
            await connect(connect_timeout=2)

    async def test_an_untrusted_certificate(self, gateway: ScriptedGateway, connect: Connect) -> None:
        with pytest.raises(ConnectionError, match="certificate"):
            await connect(ca=None, connect_timeout=5)
        client: Any = await connect(ca=None, insecure=True)
        assert client.connected

    async def test_no_answer_to_start(self, gateway: ScriptedGateway, connect: Connect) -> None:
        gateway.silent = True
        with pytest.raises(ConnectionError, match=r"START|ready"):
            await connect(connect_timeout=1.5)

    async def test_something_else_than_an_answer_to_start(self, gateway: ScriptedGateway, connect: Connect) -> None:
        def heartbeat_first(peer: Peer, request: ClientRequest) -> bool:
            gateway.pong(peer, request)
            return True

        gateway.on[RequestType.START] = heartbeat_first
        with pytest.raises(Exception, match="not a START_RESP"):
            await connect()

    async def test_an_error_in_place_of_an_answer_to_start(self, gateway: ScriptedGateway, connect: Connect) -> None:
        def error_first(peer: Peer, request: ClientRequest) -> bool:
            error = ErrorMessage(error_code=401, error_message="who are you?")
            peer.send(push(PushType.ERROR, error.SerializeToString(), msg_id=request.msg_id))
            return True

        gateway.on[RequestType.START] = error_first
        with pytest.raises(Unauthorized, match="who are you"):
            await connect()


@pytest.mark.parametrize(("told", "again"), [("max-client-seq 2", [b"second"]), ("max-client-seq 3", []), ("", [])])
async def test_what_a_gateway_that_stops_never_accepted_is_sent_anew(
    gateway: ScriptedGateway, connect: Connect, told: str, again: list[bytes]
) -> None:
    client = await connect()
    gateway.answer = silence
    first, second = client.submit("slow", data=b"first"), client.submit("slow", data=b"second")
    await gateway.until(lambda: len(gateway.asked) == 3)
    gateway.refuse_resume = ResetReason.UNKNOWN_SESSION
    gateway.answer = echo
    gateway.peer.close(CloseCode.DRAINING, f"DRAINING: the gateway stops, reconnect-after-ms 0, {told}")
    with pytest.raises(SessionReset):
        await first
    if again:
        assert (await second).data == b"second"
    else:
        with pytest.raises(SessionReset):
            await second
    assert client.stats.repeated == len(again)


@pytest.mark.parametrize("thread", [True, False])
async def test_whoever_iterates_is_told_and_goes_on(
    gateway: ScriptedGateway, connect: Connect, states: States, thread: bool
) -> None:
    client = await connect(thread=thread)
    read: list[tuple[bytes, bool]] = []

    async def iterate() -> None:
        async for notify in client.notifies():
            read.append((notify.data, notify.after_reset))  # noqa: PERF401 - it is looked at meanwhile

    reader = asyncio.create_task(iterate())
    gateway.notify(b"first")
    await states.reach(State.CONNECTED)
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESUMED)
    gateway.notify(b"resumed")
    gateway.refuse_resume = ResetReason.UNKNOWN_SESSION
    await gateway.until(lambda: gateway.session is not None and gateway.acks and max(gateway.acks) >= 3)
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.CONNECTED, count=2)
    gateway.notify(b"after a reset")
    gateway.notify(b"and on")
    async with asyncio.timeout(20):
        while len(read) < 4:
            await asyncio.sleep(0.01)
    assert not reader.done()
    await client.close()
    await reader
    assert read == [(b"first", False), (b"resumed", False), (b"after a reset", True), (b"and on", False)]
