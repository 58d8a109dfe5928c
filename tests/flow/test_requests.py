"""A BUSINESS message: its number, its limits, its deadline, and its one reply (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ErrorCode, RequestType, ResetReason, SyncHint
from quicgw_fast.errors import RequestError
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from tests.support.wire import business, error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


def expected(client: Client, seq: int) -> str:
    """The detail of the 400 that the message with this number gets."""
    told = client.error_of(seq)
    assert told.error_code == 400
    return told.detail


# Numbers


async def test_the_reply_carries_what_the_service_said(house: House) -> None:
    client = await house.online()
    house.upstream.answers["act"] = UpstreamResponse(code=207, message="so so", data=b"d", headers={"k": "v"})
    seq = client.call("act")
    await house.settle()
    push = client.reply(seq)
    assert (push.type, push.seq_id, dict(push.headers)) == (pb.PUSH_BUSINESS_DATA, 2, {"k": "v"})
    assert business(push) == pb.BusinessResponse(code=207, message="so so", data=b"d")


async def test_the_service_gets_what_the_client_said(house: House) -> None:
    client = await house.online()
    payload = pb.BusinessRequest(action="Act", params={"p": "q"}, data=b"data").SerializeToString()
    seq = client.call("", payload=payload, headers={"trace": "abc"})
    await house.settle()
    request = house.upstream.calls[-1].request
    assert (request.session_id, request.openid, request.client_seq_id) == (client.session.id, "alice", seq)
    assert (request.action, dict(request.params), request.data) == ("Act", {"p": "q"}, b"data")
    assert request.headers["trace"] == "abc"


@pytest.mark.parametrize("first", [1, 7, 1 << 40])
async def test_the_first_number_may_be_any(house: House, first: int) -> None:
    client = house.started()
    client.call("hello", seq=first)
    client.call("echo", seq=first + 1)
    await house.settle()
    assert [push.type for push in client.numbered] == [pb.PUSH_BUSINESS_DATA] * 2


async def test_zero_is_no_number(house: House) -> None:
    client = house.started()
    client.call("hello", seq=0)
    assert expected(client, 0).startswith("expected 1,")
    client.call("hello", seq=4)
    await house.settle()
    assert client.reply(4).type == pb.PUSH_BUSINESS_DATA


async def test_after_the_highest_number_only_a_fresh_session_helps(house: House) -> None:
    top = 2**64 - 1
    client = house.started()
    client.call("hello", seq=top)
    await house.settle()
    assert business(client.reply(top)).code == 200
    for seq in (top, 0, 1):
        msg_id = client.send(RequestType.BUSINESS, seq=seq)
        (push,) = client.pushes(msg_id)
        told = error(push)
        assert (told.error_code, told.error_message) == (400, "numbers used up")
        assert "fresh session" in told.detail
    assert client.ended is None
    fresh = house.started()
    fresh.call("hello")
    await house.settle()
    assert business(fresh.reply(1)).code == 200


@pytest.mark.parametrize("wrong", [0, 1, 4, 100])
async def test_a_wrong_number_is_told_the_expected_one_and_consumes_none(house: House, wrong: int) -> None:
    client = await house.online()
    client.call("echo", seq=2)
    client.call("echo", seq=wrong)
    client.call("echo", b"right", seq=3)
    await house.settle()
    assert expected(client, wrong).startswith("expected 3,")
    assert business(client.reply(3)).data == b"right"
    assert house.upstream.called() == ["hello", "echo", "echo"]


async def test_a_message_sent_twice_is_answered_once_and_refused_once(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow", seq=2)
    client.call("slow", seq=2)
    await house.settle()
    house.upstream.waiting()[0].answer()
    await house.settle()
    first, second = client.replies(2)
    assert (error(first).error_code, business(second).code) == (400, 200)
    assert house.upstream.called() == ["hello", "slow"]


# Errors that consume their number


async def test_not_logged_in(house: House) -> None:
    client = house.started()
    first, second = client.call("echo"), client.call("Hello2")
    assert client.error_of(first).error_code == 401
    assert client.error_of(second).error_code == 401
    assert not house.upstream.calls
    assert client.call("hello") == 3
    await house.settle()
    assert business(client.reply(3)).code == 200


async def test_a_payload_that_is_none(house: House) -> None:
    client = await house.online()
    seq = client.call("", payload=b"\xff")
    assert client.error_of(seq).error_code == 400
    seq = client.call("")
    assert client.error_of(seq).error_code == 400
    assert "action" in client.error_of(seq).detail
    client.call("echo")
    await house.settle()
    assert client.numbers == [2, 3, 4]


async def test_what_the_service_could_not_do(house: House) -> None:
    client = await house.online()
    for code, options in (
        (ErrorCode.FAILED, {}),
        (ErrorCode.OVERLOADED, {"retry_after_ms": 250}),
        (ErrorCode.DEADLINE_PASSED, {}),
    ):
        house.upstream.answers["fail"] = RequestError(code, "it failed", **options)
        seq = client.call("fail")
        await house.settle()
        assert client.error_of(seq).error_code == code
        assert client.reply(seq).headers.get("retry-after-ms") == ("250" if code == 503 else None)
    assert client.numbers == [2, 3, 4]


async def test_a_bug_in_the_call_is_500_and_the_next_request_works(house: House) -> None:
    client = await house.online()
    house.upstream.answers["bug"] = RuntimeError("secret of the house")
    seq = client.call("bug")
    await house.settle()
    assert client.error_of(seq).error_code == 500
    assert b"secret" not in client.reply(seq).payload
    seq = client.call("echo")
    await house.settle()
    assert business(client.reply(seq)).code == 200


async def test_an_answer_larger_than_a_frame_is_500(house: House) -> None:
    client = await house.online()
    house.upstream.answers["huge"] = UpstreamResponse(code=200, data=b"x" * (1 << 20))
    await house.push(content="bound", hint=SyncHint.BEFORE_RESPONSE, client_seq=2)
    seq = client.call("huge")
    await house.settle()
    assert client.error_of(seq).error_code == 500
    assert client.texts == ["bound", "error 500"]
    assert client.ended is None


async def test_a_hello_with_an_answer_larger_than_a_frame_logs_nobody_in(house: House) -> None:
    house.upstream.answers["hello"] = UpstreamResponse(code=200, data=b"x" * (1 << 20))
    client = house.started()
    hello = client.call("hello")
    behind = client.call("echo")
    await house.settle()
    assert client.error_of(hello).error_code == 500
    assert client.error_of(behind).error_code == 401


async def test_a_full_queue_is_503_and_no_waiting(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1, "max_queue_size": 2})
    client = await house.online()
    house.upstream.held.add("slow")
    working = client.call("slow")
    await house.settle()
    queued = [client.call("slow"), client.call("slow")]
    refused = client.call("slow")
    assert client.error_of(refused).error_code == 503
    assert int(client.reply(refused).headers["retry-after-ms"]) > 0
    assert house.count("queue_full") == house.count("refused", "queue", "queue-full") == 1
    for _ in range(3):
        house.upstream.waiting()[0].answer()
        await house.settle()
    assert [len(client.replies(seq)) for seq in (working, *queued, refused)] == [1, 1, 1, 1]
    assert client.numbers == [2, 3, 4, 5]


# Limits of one session


async def test_more_in_flight_than_allowed_is_429(make_house: MakeHouse) -> None:
    house = await make_house(limits={"in_flight": 3})
    client = await house.online()
    house.upstream.held.add("slow")
    taken = [client.call("slow") for _ in range(3)]
    refused = client.call("slow")
    assert not any(client.replies(seq) for seq in taken)
    assert client.error_of(refused).error_code == 429
    assert int(client.reply(refused).headers["retry-after-ms"]) > 0
    await house.settle()
    house.upstream.waiting()[0].answer()
    await house.settle()
    seq = client.call("slow")
    await house.settle()
    assert not client.replies(seq)
    assert client.ended is None


async def test_a_rate_over_the_limit_is_429_until_the_time_told(make_house: MakeHouse) -> None:
    house = await make_house(limits={"messages_per_second": 10, "message_burst": 3})
    client = await house.online()
    house.clock.advance(60.0)
    sent = [client.call("echo") for _ in range(4)]
    await house.settle()
    assert client.error_of(sent[3]).error_code == 429
    wait = int(client.reply(sent[3]).headers["retry-after-ms"])
    assert 0 < wait <= 101
    other = await house.online("bob")
    other.call("echo")
    await house.settle()
    assert other.texts == ["200 "]  # it is this session's limit
    house.clock.advance(wait / 1000)
    seq = client.call("echo")
    await house.settle()
    assert business(client.reply(seq)).code == 200
    assert house.count("rate_limited") == 1


async def test_heartbeats_and_acks_do_not_count(make_house: MakeHouse) -> None:
    house = await make_house(limits={"messages_per_second": 1, "message_burst": 2})
    client = await house.online()
    for _ in range(50):
        client.heartbeat()
        client.ack(1)
    client.call("echo")
    await house.settle()
    assert client.texts == ["200 "]


async def test_a_rule_that_observes_lets_everything_pass(make_house: MakeHouse) -> None:
    limits = {"messages_per_second": 1, "message_burst": 1}
    house = await make_house(limits=limits, overload={"observe": ["message-rate"]})
    client = await house.online()
    seqs = [client.call("echo") for _ in range(3)]
    await house.settle()
    assert [business(client.reply(seq)).code for seq in seqs] == [200] * 3
    assert house.count("refused", "request", "message-rate") == 0
    assert house.count("would_reject", "request", "message-rate") == 3


# Deadlines


async def test_the_call_gets_the_time_that_remains(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1, "task_timeout": "30s"})
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow")
    await house.settle()
    client.call("slow")
    house.clock.advance(12.0)
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert [call.timeout for call in house.upstream.calls] == [30.0, 30.0, 18.0]


async def test_a_request_that_waited_too_long_is_504_without_a_call(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1})
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow")
    await house.settle()
    late = client.call("slow")
    house.clock.advance(30.0)
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert client.error_of(late).error_code == 504
    assert house.upstream.called() == ["hello", "slow"]


@pytest.mark.parametrize(("header", "seconds"), [("250", 0.25), ("0099", 0.099), ("30000", 30.0), ("9999999999", 30.0)])
async def test_a_client_may_ask_for_less_time_but_not_for_more(house: House, header: str, seconds: float) -> None:
    client = await house.online()
    client.call("echo", headers={"timeout-ms": header})
    await house.settle()
    assert house.upstream.calls[-1].timeout == pytest.approx(seconds)


@pytest.mark.parametrize("header", ["", "0", "-5", "1.5", "soon", "1" * 16, "٣"])
async def test_a_time_that_is_none_is_400(house: House, header: str) -> None:
    client = await house.online()
    seq = client.call("echo", headers={"timeout-ms": header})
    await house.settle()
    assert client.error_of(seq).error_code == 400
    assert house.upstream.called() == ["hello"]


# The session of a queued request


async def test_work_goes_on_while_the_client_is_away(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    seq = client.call("slow")
    await house.settle()
    client.link.lose()
    house.upstream.waiting()[0].answer(data=b"kept")
    await house.settle()
    assert not client.replies(seq)
    again = house.back(client, 1)
    assert again.answer.resumed
    assert again.answer.max_client_seq == seq
    assert again.texts == ["200 kept"]


async def test_a_request_of_an_ended_session_is_skipped_and_counted(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1})
    client, other = await house.online(), await house.online("bob")
    house.upstream.held.add("slow")
    other.call("slow")
    await house.settle()
    client.call("echo")
    client.stop()
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert house.upstream.called() == ["hello", "hello", "slow"]
    assert house.stats("processor")["skipped"] == 1


async def test_a_request_whose_resume_window_passed_is_skipped_and_its_session_cannot_be_resumed(
    make_house: MakeHouse,
) -> None:
    """Between the end of the window and the next round nothing may resume what was skipped: it would get no reply."""
    house = await make_house(processor={"max_workers": 1}, session={"resume_window": "10s"})
    client, other = await house.online(), await house.online("bob")
    house.upstream.held.add("slow")
    other.call("slow")
    await house.settle()
    client.call("echo")
    client.link.lose()
    house.clock.advance(10.5)
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert house.stats("processor")["skipped"] == 1
    again = house.back(client, 1)
    assert not again.answer.resumed
    assert again.answer.reset_reason == ResetReason.EXPIRED
    assert again.answer_headers["gap-unanswered"] == "1"
    assert house.count("sessions_expired") == 1
