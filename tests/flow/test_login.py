"""hello: synchronous for its own client, and nothing to others (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, ErrorCode
from quicgw_fast.errors import BusyError, RequestError
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.session import SessionState
from tests.flow.endings import until
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House


@pytest.mark.parametrize("action", ["hello", "HELLO", "Hello"])
async def test_hello_in_any_case_logs_in(house: House, action: str) -> None:
    house.upstream.answers[action] = UpstreamResponse(code=200, headers={"zone": "-7", "gid": "g1"})
    client = house.started()
    client.call(action)
    assert client.session.state is SessionState.INITED
    await house.settle()
    assert client.session.state is SessionState.NORMAL
    assert house.path.registry.by_gid("g1") is client.session
    assert house.upstream.called() == [action]
    assert dict(client.numbered[0].headers) == {"zone": "-7", "gid": "g1"}


@pytest.mark.parametrize("code", [0, 201, 401, 500, -1])
async def test_another_code_is_passed_on_and_changes_nothing(house: House, code: int) -> None:
    house.upstream.answers["hello"] = UpstreamResponse(code=code, headers={"gid": "g1"})
    client = house.started()
    seq = client.call("hello")
    await house.settle()
    assert business(client.reply(seq)).code == code
    assert client.session.state is SessionState.INITED
    assert house.path.registry.by_gid("g1") is None


async def test_hello_again_is_allowed_and_may_fail_without_harm(house: House) -> None:
    client = await house.online()
    house.upstream.answers["hello"] = UpstreamResponse(code=403)
    client.call("hello")
    await house.settle()
    assert client.session.state is SessionState.NORMAL
    house.upstream.answers["hello"] = UpstreamResponse(code=200, headers={"gid": "g2"})
    client.call("hello")
    await house.settle()
    assert house.path.registry.by_gid("g2") is client.session


@pytest.mark.parametrize("zone", ["", "north", "9223372036854775808", "1" * 5000])
async def test_a_zone_that_is_no_int64_does_not_matter(house: House, zone: str) -> None:
    house.upstream.answers["hello"] = UpstreamResponse(code=200, headers={"zone": zone})
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.session.state is SessionState.NORMAL


@pytest.mark.parametrize(
    ("failure", "code"), [(RequestError(ErrorCode.OVERLOADED, "no instance"), 503), (RuntimeError("bug"), 500)]
)
async def test_a_login_that_cannot_be_asked_for(house: House, failure: Exception, code: int) -> None:
    house.upstream.answers["hello"] = failure
    client = house.started()
    seq, behind = client.call("hello"), client.call("echo")
    await house.settle()
    assert client.error_of(seq).error_code == code
    assert client.error_of(behind).error_code == 401
    del house.upstream.answers["hello"]
    client.call("hello")
    await house.settle()
    assert client.session.state is SessionState.NORMAL


async def test_a_service_that_is_busy_is_asked_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quicgw_fast.flow.login.BUSY_PAUSE", 0.001)
    house.upstream.answers["hello"] = BusyError(ErrorCode.OVERLOADED, "busy")
    client = house.started()
    client.call("hello", headers={"timeout-ms": "5000"})
    await until(lambda: len(house.upstream.calls) >= 3)
    assert not client.numbered
    house.clock.advance(1.0)
    del house.upstream.answers["hello"]
    await until(lambda: client.numbered)
    assert client.texts == ["200 "]
    assert house.upstream.calls[-1].timeout == 4.0, "the time that is left, not a new one"


async def test_a_service_that_stays_busy_is_busy_at_the_deadline(house: House) -> None:
    house.upstream.answers["hello"] = BusyError(ErrorCode.OVERLOADED, "busy", retry_after_ms=70)
    client = house.started()
    seq = client.call("hello", headers={"timeout-ms": "5000"})
    await house.settle()
    assert not client.replies(seq)
    house.clock.advance(4.99)
    await until(lambda: client.replies(seq))
    assert client.error_of(seq).error_code == 503
    assert client.reply(seq).headers["retry-after-ms"] == "70"


async def test_a_service_that_is_not_to_be_called_at_all_is_not_asked_again(house: House) -> None:
    house.upstream.answers["hello"] = BusyError(ErrorCode.FORBIDDEN, "not in this house")
    client = house.started()
    seq = client.call("hello")
    await house.settle()
    assert client.error_of(seq).error_code == 403
    assert house.upstream.called() == ["hello"]


# The gate


async def test_messages_behind_a_hello_wait_for_it_and_keep_their_order(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello")
    for number in range(5):
        client.call("echo", str(number).encode())
    await house.settle()
    assert house.upstream.called() == ["hello"]
    assert not client.numbered
    house.upstream.waiting()[0].answer(data=b"welcome")
    await house.settle()
    assert client.texts == ["200 welcome", "200 0", "200 1", "200 2", "200 3", "200 4"]


async def test_a_hello_behind_a_hello_waits_too(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    seqs = [client.call(action) for action in ("hello", "echo", "hello", "echo")]
    await house.settle()
    assert house.upstream.called() == ["hello"]
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert sorted(house.upstream.called()) == ["echo", "hello", "hello"]
    assert not client.replies(seqs[3])
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert all(len(client.replies(seq)) == 1 for seq in seqs)


async def test_behind_a_hello_that_fails_nobody_is_logged_in(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    seqs = [client.call("hello"), client.call("echo"), client.call("echo")]
    await house.settle()
    house.upstream.waiting()[0].answer(code=403)
    await house.settle()
    assert client.texts == ["403 ", "error 401", "error 401"]
    assert client.numbers == [1, 2, 3]
    assert seqs == [1, 2, 3]


async def test_heartbeats_acks_and_other_clients_do_not_wait(house: House) -> None:
    other = await house.online("bob")
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello")
    client.call("echo")
    await house.settle()
    (beat,) = client.pushes(client.heartbeat())
    assert beat.type == pb.PUSH_HEARTBEAT_RESP
    assert not client.pushes(client.ack(0))
    other.call("echo")
    await house.settle()
    assert other.texts == ["200 "]
    assert not client.numbered


async def test_a_stop_does_not_wait(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello")
    client.call("echo")
    await house.settle()
    client.stop()
    assert client.ended is CloseCode.NORMAL
    assert house.count("in_flight_dropped") == 2
    await house.settle()
    assert not house.upstream.waiting()
    assert not client.numbered
    assert house.upstream.called() == ["hello"]


async def test_a_refused_number_does_not_wait(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello")
    client.call("echo", seq=9)
    assert client.error_of(9).error_code == 400


async def test_who_waits_keeps_the_deadline_of_its_arrival(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello", headers={"timeout-ms": "20000"})
    client.call("echo")
    late = client.call("echo", headers={"timeout-ms": "5000"})
    await house.settle()
    house.clock.advance(8.0)
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert [(c.request.action, c.timeout) for c in house.upstream.calls] == [("hello", 20.0), ("echo", 22.0)]
    assert client.error_of(late).error_code == 504


async def test_a_login_finishes_while_its_client_is_away(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello")
    client.call("echo", b"behind")
    await house.settle()
    client.link.lose()
    again = house.back(client, 0)
    assert again.answer.resumed
    assert again.answer.max_client_seq == 2
    again.seq = 2
    again.call("echo", b"new")
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert again.texts == ["200 ", "200 behind", "200 new"]
    assert again.session.state is SessionState.NORMAL


async def test_a_resumed_session_needs_no_second_hello(house: House) -> None:
    client = await house.online()
    client.link.lose()
    again = house.back(client, 1)
    again.call("echo", b"x")
    await house.settle()
    assert again.texts == ["200 x"]


async def test_logins_do_not_take_workers_from_requests(make_house: Callable[..., Awaitable[House]]) -> None:
    house = await make_house(processor={"max_workers": 1, "max_logins": 5})
    other = await house.online("bob")
    house.upstream.held.add("hello")
    for number in range(6):
        house.started(f"u{number}").call("hello")
    await house.settle()
    assert len(house.upstream.waiting("hello")) == 5
    other.call("echo")
    await house.settle()
    assert other.texts == ["200 "]
