"""The bytes that accepted requests hold until their reply are bounded, wherever they wait (protocol §3)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import backend
from quicgw_fast.config import LimitsConfig
from quicgw_fast.flow.request_memory import OF_A_REQUEST, OF_AN_ENTRY, RequestMemory, size_of
from quicgw_fast.observe import Metrics
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]

MIB = 1 << 20
LARGE = b"x" * 1_000_000


async def hanging(make_house: MakeHouse, where: str, **limits: object) -> tuple[House, Client]:
    """A client whose requests wait: behind its hello, in the queue, or for their service."""
    house = await make_house(processor={"max_workers": 1 if where == "queue" else 100}, limits=limits)
    if where == "behind hello":
        house.upstream.held.add("hello")
        client = house.started()
        client.call("hello")
        return house, client
    house.upstream.held.add("slow")
    if where == "queue":
        (await house.online("blocking")).call("slow")
    client = await house.online()
    await house.settle()
    return house, client


WHERE = pytest.mark.parametrize("where", ["behind hello", "queue", "service"])


@WHERE
async def test_more_bytes_than_a_session_may_hold_are_429(make_house: MakeHouse, where: str) -> None:
    house, client = await hanging(make_house, where)
    seqs = [client.call("slow", LARGE) for _ in range(63)]
    await house.settle()
    refused = [seq for seq in seqs if client.replies(seq)]
    assert refused == seqs[4:]
    for seq in refused:
        assert client.error_of(seq).error_code == 429
        assert int(client.reply(seq).headers["retry-after-ms"]) > 0
    assert 4_000_000 < client.session.request_bytes <= 4 * MIB
    assert house.path.request_memory.used >= client.session.request_bytes


@WHERE
async def test_more_bytes_than_all_may_hold_are_503(make_house: MakeHouse, where: str) -> None:
    house, first = await hanging(make_house, where, request_memory="16MiB")
    clients = [first] + [await house.online(f"u{number}") for number in range(4) if where != "behind hello"]
    while len(clients) < 5:
        clients.append(house.started(f"u{len(clients)}"))
        clients[-1].call("hello")
    answers = [(client, client.call("slow", LARGE)) for client in clients for _ in range(4)]
    await house.settle()
    codes = [client.error_of(seq).error_code for client, seq in answers if client.replies(seq)]
    assert set(codes) == {503}
    assert 3 <= len(codes) <= 5
    memory = house.path.request_memory
    assert 15_000_000 < memory.used <= 16 * MIB
    assert house.count("refused", "task", "request-memory") == len(codes)


@pytest.mark.parametrize("end", ["reply", "error", "late", "stop", "expiry", "refused", "drain"])
async def test_what_was_taken_is_given_back_however_it_ends(make_house: MakeHouse, end: str) -> None:
    house = await make_house(processor={"max_workers": 2, "max_queue_size": 2})
    client = await house.online()
    house.upstream.held.add("slow")
    for _ in range(4 if end == "refused" else 3):
        client.call("slow", LARGE)
    await house.settle()
    memory, session = house.path.request_memory, client.session
    assert memory.used == session.request_bytes > 3_000_000
    if end == "stop":
        client.stop()
    elif end == "expiry":
        client.link.lose()
        await house.pass_time(200.0)
    elif end == "late":
        house.clock.advance(60.0)
        assert 1_000_000 < memory.used < 2_000_000  # the one under way
        house.upstream.waiting()[0].answer()
    elif end == "drain":
        await house.stop(0.0)
    else:
        for _ in range(3):
            call = house.upstream.waiting()[0]
            call.fail(RuntimeError("bug")) if end == "error" else call.answer(data=LARGE[:1000])
            await house.settle()
    await house.settle()
    assert memory.used == session.request_bytes == 0


async def test_what_is_refused_for_another_reason_takes_nothing(make_house: MakeHouse) -> None:
    house = await make_house(limits={"in_flight": 1})
    client = house.started()
    client.call("echo", LARGE)  # 401
    house.upstream.held.add("hello")
    client.call("hello")
    used = house.path.request_memory.used
    client.call("echo", LARGE)  # 429
    client.call("", payload=b"\xff" * 1000)  # 429 as well
    assert house.path.request_memory.used == used < 10_000


async def test_one_request_is_always_taken_from_a_session_that_holds_none(make_house: MakeHouse) -> None:
    house = await make_house(limits={"request_bytes": 1000})
    client = await house.online()
    house.upstream.held.add("slow")
    first, second = client.call("slow", LARGE), client.call("slow")
    await house.settle()
    assert client.error_of(second).error_code == 429
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert business(client.reply(first)).code == 200


async def test_many_small_parameters_count_as_what_they_take(house: House) -> None:
    """On the wire an empty parameter is a few bytes, in memory about a hundred."""
    client = await house.online()
    house.upstream.held.add("slow")
    payload = pb.BusinessRequest(action="slow", params={f"{n:x}": "" for n in range(20_000)}).SerializeToString()
    assert len(payload) < 200_000
    client.call("", payload=payload)
    assert client.session.request_bytes > 2_000_000


async def test_what_waits_is_held_once(house: House) -> None:
    """What waits behind a hello is the task alone, and not the message beside it."""
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello")
    client.call("echo", LARGE)
    (task,) = house.path.logins._waiting[client.session]
    assert len(LARGE) < len(task.request.SerializeToString()) < len(LARGE) + 200
    assert task.cost == pytest.approx(len(LARGE), rel=0.01)


# The count alone


def test_nothing_is_given_back_twice_after_a_session_ended() -> None:
    memory, session = RequestMemory(Metrics(), LimitsConfig), SimpleNamespace(request_bytes=0)
    memory.take(session, 5000)  # type: ignore[arg-type] # of a session it needs that number alone
    assert (memory.used, session.request_bytes) == (5000, 5000)
    memory.give_back(session, 2000)  # type: ignore[arg-type]
    memory.end(session)  # type: ignore[arg-type]
    memory.give_back(session, 3000)  # type: ignore[arg-type]
    assert (memory.used, session.request_bytes) == (0, 0)


def size(headers: dict[str, str] | None = None, **business: Any) -> int:
    forwarded = backend.forward("", "", 0, pb.BusinessRequest(**business).SerializeToString(), headers or {}, b"")
    assert forwarded is not None
    return size_of(forwarded)


def test_an_empty_request_takes_what_a_task_takes() -> None:
    assert size() == OF_A_REQUEST


def test_data_counts_as_it_is() -> None:
    small, large = (size(action="echo", data=bytes(length)) for length in (1000, 101_000))
    assert large - small == 100_000 + 1, "and one byte more for its length"


def test_each_parameter_and_header_takes_more_than_its_text() -> None:
    request = UpstreamRequest(params={"a": "", "b": ""}, headers={"c": ""})
    assert size({"c": ""}, params={"a": "", "b": ""}) == OF_A_REQUEST + request.ByteSize() + 3 * OF_AN_ENTRY
