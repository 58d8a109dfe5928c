"""Actions whose requests run one after the other in a session (``routing.ordered``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError
from tests.flow.test_turns import assert_all_counted
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


async def house_with(make_house: MakeHouse, *ordered: str, **sections: dict[str, object]) -> tuple[House, Client]:
    """A house in which some actions are ordered, and a client whose first call of ``move`` is under way."""
    house = await make_house(routing={"ordered": list(ordered)}, **sections)
    client = await house.online()
    house.upstream.held |= {"move", "look"}
    client.call("move")
    await house.settle()
    return house, client


async def test_the_next_one_runs_when_the_one_before_has_its_reply(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "move")
    house.upstream.held.add("MOVE")
    rest = [client.call("move"), client.call("MOVE")]
    await house.settle()
    for _ in range(2):
        (call,) = house.upstream.waiting()
        call.answer()
        await house.settle()
    assert business(client.reply(rest[0])).code == 200
    assert not client.replies(rest[1])
    house.upstream.held.clear()
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert business(client.reply(rest[1])).code == 200
    assert_all_counted(house)


async def test_other_actions_and_other_sessions_are_not_affected(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "move")
    other = await house.online("other")
    for one in (client, other):
        for action in ("move", "look", "look"):
            one.call(action)
    await house.settle()
    assert sorted(call.request.action for call in house.upstream.waiting()) == ["look"] * 4 + ["move"] * 2


async def test_a_pattern_orders_each_action_by_itself(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "mo*", "lo?k.")
    for action in ("move", "more", "look", "look"):
        client.call(action)
    house.upstream.held.add("more")
    await house.settle()
    assert sorted(call.request.action for call in house.upstream.waiting()) == ["look", "look", "more", "move"]


async def test_by_default_they_run_together(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house)
    client.call("move")
    await house.settle()
    assert len(house.upstream.waiting("move")) == 2


async def test_what_waits_is_answered_at_its_deadline_and_the_next_one_goes_on(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "move")
    late, kept = client.call("move", headers={"timeout-ms": "200"}), client.call("move", b"kept")
    await house.settle()
    house.clock.advance(0.2)
    assert client.error_of(late).error_code == 504
    house.upstream.waiting()[0].answer()
    await house.settle()
    house.upstream.waiting()[0].answer(data=b"kept")
    await house.settle()
    assert business(client.reply(kept)).data == b"kept"
    assert_all_counted(house)


async def test_a_service_that_fails_does_not_hold_up_the_next_one(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "move")
    house.upstream.held.clear()
    failed, second = client.seq, client.call("move")
    house.upstream.waiting()[0].fail(RequestError(ErrorCode.FAILED, "failed"))
    await house.settle()
    assert client.error_of(failed).error_code == 500
    assert business(client.reply(second)).code == 200


async def test_where_there_is_no_place_for_the_next_one_all_are_told_so(make_house: MakeHouse) -> None:
    processor = {"max_workers": 1, "max_queue_size": 1}
    house, client = await house_with(make_house, "move", processor=processor)
    rest = [client.call("move"), client.call("move")]
    other = await house.online("other")
    other.call("look")
    await house.settle()
    third = await house.online("third")
    assert third.error_of(third.call("look")).error_code == 503
    house.upstream.waiting("move")[0].answer()
    await house.settle()
    assert [len(client.replies(seq)) for seq in rest] == [0, 0], "a place was free again"
    house.upstream.held.clear()
    for call in house.upstream.waiting():
        call.answer()
    await house.settle()
    assert [business(client.reply(seq)).code for seq in rest] == [200, 200]
    assert_all_counted(house)


async def test_with_the_session_everything_that_waits_is_given_up(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "move")
    for _ in range(3):
        client.call("move")
    client.stop()
    await house.settle()
    assert not house.upstream.waiting()
    assert house.count("ordered_waiting") == 0
    house.clock.advance(60.0)
    assert_all_counted(house)


async def test_a_stop_works_off_what_waits(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "move")
    rest = [client.call("move") for _ in range(3)]
    house.upstream.held.clear()
    house.upstream.waiting()[0].answer()
    house.path.draining.active = True
    await house.stop(60.0)
    assert [business(client.reply(seq)).code for seq in rest] == [200] * 3


async def test_when_its_time_is_over_the_rest_is_503(make_house: MakeHouse) -> None:
    house, client = await house_with(make_house, "move")
    rest = [client.call("move") for _ in range(3)]
    house.path.draining.active = True
    await house.stop(0.0)
    assert [client.error_of(seq).error_code for seq in rest] == [503] * 3
