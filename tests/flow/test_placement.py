"""START and pushes where it takes time to say at which gateway an openid lives, and where that is another one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, ErrorCode, PushCode, RequestType
from quicgw_fast.config import OfflineConfig
from quicgw_fast.flow import pending_starts
from quicgw_fast.placement import HERE, Place
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.store import MemoryStore, SqliteStore
from tests.flow.endings import answered, away, until
from tests.placement.slow import SlowPlacement
from tests.store.test_sqlite import Gate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.flow.house import Client, House
    from tests.placement.slow import Question

    MakeHouse = Callable[..., Awaitable[House]]

ELSEWHERE = Place(here=False, detail="it lives at gateway-b.example")
UNKNOWN = Place(here=False, detail="the directory does not answer: connection refused")


@pytest.fixture
def placement() -> SlowPlacement:
    return SlowPlacement()


@pytest.fixture
async def house(make_house: MakeHouse, placement: SlowPlacement) -> House:
    return await make_house(placement=placement)


def come(house: House, openid: str = "alice", **claim: object) -> Client:
    """A client that sends its START, which waits."""
    client = house.connect()
    start = pb.StartRequest(openid=openid, **claim)  # type: ignore[arg-type]
    client.send(RequestType.START, start.SerializeToString(), msg_id=7)
    return client


def waits(client: Client) -> bool:
    return not answered(client) and client.ended is None


async def online(house: House, placement: SlowPlacement, openid: str = "alice") -> Client:
    """A client that is logged in; the placement has answered, and is asked again by the next START."""
    placement.known[openid] = Place(here=True)
    client = await house.online(openid)
    del placement.known[openid]
    return client


async def granted(house: House, client: Client, question: Question) -> None:
    question.answer()
    await until(lambda: answered(client))
    assert client.started(7).success
    await house.settle()


# START


async def test_what_comes_behind_a_start_keeps_its_order(house: House, placement: SlowPlacement) -> None:
    client = come(house)
    client.call("hello")
    client.call("echo", b"1")
    client.call("echo", b"2")
    await house.pass_time(60.0)  # longer than START may be missing
    assert waits(client)
    assert not house.path.registry
    (claim,) = placement.claims
    assert claim.openid == "alice"
    await granted(house, client, claim)
    assert client.texts == ["200 ", "200 1", "200 2"]


async def test_others_do_not_wait(house: House, placement: SlowPlacement) -> None:
    first = come(house, "alice")
    second = come(house, "bob")
    await granted(house, second, placement.claims[1])
    assert waits(first)
    second.call("hello")
    await house.settle()
    assert second.texts == ["200 "]


async def test_a_newer_start_wins(house: House, placement: SlowPlacement) -> None:
    older, newer = come(house), come(house)
    assert older.ended is CloseCode.SUPERSEDED
    assert not older.started(7).success
    first, second = placement.claims
    first.answer()
    await house.settle()
    assert waits(newer)
    await granted(house, newer, second)
    assert older.conversation.session is None
    assert len(house.path.registry) == 1


async def test_a_newer_start_wins_whatever_the_older_one_is_told(house: House, placement: SlowPlacement) -> None:
    _, newer = come(house), come(house)
    first, second = placement.claims
    second.answer()
    await until(lambda: answered(newer))
    first.answer(UNKNOWN)
    await house.settle()
    assert newer.started(7).success
    assert newer.session.attached


async def test_an_older_attempt_does_not_take_the_place_of_one_that_waits(
    house: House, placement: SlowPlacement
) -> None:
    newer = come(house, session_id="gone", epoch="e", attempt=5)
    older = come(house, session_id="gone", epoch="e", attempt=4)
    assert older.ended is CloseCode.SUPERSEDED
    assert waits(newer)
    (claim,) = placement.claims
    await granted(house, newer, claim)


@pytest.mark.parametrize("place", [ELSEWHERE, UNKNOWN])
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_openid_that_may_not_live_here_is_refused(
    house: House, placement: SlowPlacement, place: Place, at_once: bool
) -> None:
    other = await online(house, placement, "bob")
    if at_once:
        placement.known["alice"] = place
    client = come(house)
    for claim in placement.claims:
        claim.answer(place)
    await until(lambda: answered(client))
    answer = client.started(7)
    assert not answer.success
    assert (answer.error.error_code, answer.error.detail) == (ErrorCode.OVERLOADED, place.detail)
    assert client.answer_headers == {"retry-after-ms": "1000"}
    assert client.ended is CloseCode.INTERNAL, "it may come back"
    assert house.count("starts_misplaced") == house.count("starts_refused") == 1
    assert [session.openid for session in house.path.registry] == ["bob"]
    other.call("echo", b"still")
    await house.settle()
    assert other.texts == ["200 still"]


async def test_no_answer_in_time_is_a_refusal(
    house: House, placement: SlowPlacement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_starts, "LONGEST_WAIT", 0.02)
    client = come(house)
    await until(lambda: answered(client))
    assert client.started(7).error.error_code == ErrorCode.OVERLOADED
    assert client.ended is CloseCode.INTERNAL
    (claim,) = placement.claims
    claim.answer()
    await house.settle()
    assert not house.path.registry, "what is granted later is for nobody"


async def test_a_bug_of_the_placement_ends_one_connection(
    house: House, placement: SlowPlacement, caplog: pytest.LogCaptureFixture
) -> None:
    client, other = come(house, "alice"), come(house, "bob")
    placement.claims[0].future.set_exception(ValueError("a bug"))
    await granted(house, other, placement.claims[1])
    assert client.ended is CloseCode.INTERNAL
    (record,) = [r for r in caplog.records if r.getMessage() == "START failed"]
    assert record.exc_info


async def test_a_session_that_is_here_goes_on_until_the_claim_is_granted(
    house: House, placement: SlowPlacement
) -> None:
    before = await online(house, placement)
    again = come(
        house, session_id=before.answer.connection_id, epoch=before.answer.epoch, last_acked_seq_id=1, attempt=1
    )
    before.call("echo", b"1")
    await house.settle()
    assert before.texts == ["200 1"]
    assert waits(again)
    await granted(house, again, placement.claims[-1])
    assert again.answer.resumed
    assert again.texts == ["200 1"]
    assert before.ended is CloseCode.SUPERSEDED


async def test_a_claim_that_is_not_granted_leaves_the_session_as_it_is(house: House, placement: SlowPlacement) -> None:
    before = await online(house, placement)
    again = come(house)
    placement.claims[-1].answer(UNKNOWN)
    await until(lambda: answered(again))
    assert again.ended is CloseCode.INTERNAL
    assert before.session.attached
    before.call("echo", b"1")
    await house.settle()
    assert before.texts == ["200 1"]


async def test_who_was_refused_may_come_back(house: House, placement: SlowPlacement) -> None:
    before = await online(house, placement)
    claim = {"session_id": before.answer.connection_id, "epoch": before.answer.epoch, "last_acked_seq_id": 1}
    first = come(house, **claim, attempt=1)
    placement.claims[-1].answer(UNKNOWN)
    await until(lambda: answered(first))
    second = come(house, **claim, attempt=2)
    await granted(house, second, placement.claims[-1])
    assert second.answer.resumed


async def test_a_start_whose_connection_ends_meanwhile_begins_nothing(house: House, placement: SlowPlacement) -> None:
    client = come(house)
    client.call("hello")
    client.link.lose()
    placement.claims[0].answer()
    await house.settle()
    assert not house.path.registry
    assert not house.upstream.called()


@pytest.mark.parametrize("resume", [True, False])
async def test_a_start_that_waits_while_the_gateway_begins_to_stop_is_refused(
    house: House, placement: SlowPlacement, resume: bool
) -> None:
    before = await online(house, placement)
    client = come(house, session_id=before.answer.connection_id if resume else "", last_acked_seq_id=1)
    house.path.draining.active = True
    placement.claims[-1].answer()
    await until(lambda: answered(client))
    assert not client.started(7).success
    assert client.ended is CloseCode.DRAINING
    assert before.session.attached


async def test_a_start_may_wait_for_its_place_and_then_for_the_store(
    make_house: MakeHouse, placement: SlowPlacement, tmp_path: Path
) -> None:
    disk = SqliteStore(tmp_path / "store.db", OfflineConfig.model_construct(store="sqlite", max_messages=1000))
    house = await make_house(store=disk, placement=placement)
    placement.known["alice"] = Place(here=True)
    before = await away(house, "alice", "kept")
    del placement.known["alice"]
    gate = await Gate.shut(disk)
    client = come(house)
    client.call("hello")
    placement.claims[-1].answer()
    await until(lambda: before.session.state.name == "CLOSED")  # the place is known: the old session ends
    client.call("echo", b"1")
    await house.settle()
    assert waits(client)
    gate.opened.set()
    await until(lambda: len(client.numbers) == 3)
    assert client.started(7).success
    assert client.texts == ["200 ", "kept", "200 1"]


async def test_only_who_is_let_in_claims_a_place(house: House, placement: SlowPlacement) -> None:
    client = house.connect()
    client.start("")
    assert client.ended is CloseCode.PROTOCOL_ERROR
    house.path.draining.active = True
    client = house.connect()
    client.start("alice")
    assert client.ended is CloseCode.DRAINING
    assert not placement.claims


# Pushes


@pytest.fixture
async def keeping(make_house: MakeHouse, placement: SlowPlacement) -> House:
    """A house with an offline store."""
    return await make_house(placement=placement, store=MemoryStore())


@pytest.mark.parametrize("place", [ELSEWHERE, UNKNOWN])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_push_for_another_place_is_refused_and_not_kept(
    keeping: House, placement: SlowPlacement, place: Place, at_once: bool
) -> None:
    if at_once:
        placement.known["alice"] = place
    pushing = asyncio.create_task(keeping.push("alice"))
    await keeping.settle()
    for question in placement.finds:
        question.answer(place)
    answer = await pushing
    assert (answer.success, answer.error_code) == (False, PushCode.TARGET_NOT_FOUND)
    assert answer.message == f"no session for openid 'alice': {place.detail}"
    assert keeping.count("pushes_refused") == 1
    assert keeping.accounts()["notifies"]["accepted"] == 0


async def test_a_push_to_who_is_away_is_kept_here_once_that_is_known(keeping: House, placement: SlowPlacement) -> None:
    pushing = asyncio.create_task(keeping.push("alice"))
    await keeping.settle()
    assert not pushing.done()
    (question,) = placement.finds
    question.answer()
    assert (await pushing).message == "stored"


async def test_a_session_that_began_meanwhile_gets_the_push(house: House, placement: SlowPlacement) -> None:
    pushing = asyncio.create_task(house.push("alice"))
    await house.settle()
    client = await online(house, placement)
    (question,) = placement.finds
    question.answer(ELSEWHERE)  # as it was when it was asked
    assert (await pushing).message == "sent"
    assert client.texts == ["n"]


async def test_what_is_here_needs_no_question(house: House, placement: SlowPlacement) -> None:
    client = await online(house, placement)
    assert (await house.push("alice")).message == "sent"
    client.link.lose()
    assert (await house.push("alice")).message == "retained"
    assert (await house.push(client.session.id, kind="session")).message == "retained"
    assert not placement.finds


async def test_whoever_is_not_here_is_asked_for_whatever_the_target(house: House, placement: SlowPlacement) -> None:
    for kind in ("session", "gid"):
        pushing = asyncio.create_task(house.push("nobody", kind=kind))
        await house.settle()
        placement.finds.pop().answer(HERE)
        assert (await pushing).error_code == PushCode.TARGET_NOT_FOUND


async def test_a_push_whose_sender_gives_up_leaves_nothing(keeping: House, placement: SlowPlacement) -> None:
    pushing = asyncio.create_task(keeping.push("alice"))
    await keeping.settle()
    pushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pushing
    (question,) = placement.finds
    assert question.future.cancelled()
    assert keeping.accounts()["notifies"]["accepted"] == 0
