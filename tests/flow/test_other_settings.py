"""Other settings for a flow that is in use: what counts from when on, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import config as configs
from quicgw_fast.auth import AuthRefused, Grant
from quicgw_fast.codes import CloseCode, SyncHint
from quicgw_fast.flow.reconfiguring import reconfigure

if TYPE_CHECKING:
    from tests.flow.house import House


def take(house: House, **sections: dict[str, Any]) -> None:
    """Have the house go by other tables of the configuration, and by its own authenticator."""
    reconfigure(house.path, configs.read(overrides=sections), house)


async def test_a_shorter_timeout_counts_for_who_is_there_from_the_next_look_on(house: House) -> None:
    client = await house.online()
    await house.pass_time(70.0)
    take(house, session={"timeout": 62})
    assert client.ended is None
    await house.pass_time(0.1)
    assert client.ended is CloseCode.IDLE


async def test_a_client_is_not_closed_for_keeping_to_what_it_was_told(house: House) -> None:
    early = await house.online("early")
    assert early.answer.heartbeat_interval == 30
    take(house, session={"timeout": 12})
    late = await house.online("late")
    assert late.answer.heartbeat_interval == 4
    await house.pass_time(30.0)
    assert (early.ended, late.ended) == (None, CloseCode.IDLE)
    early.heartbeat()
    await house.pass_time(59.0)
    assert early.ended is None
    await house.pass_time(2.0)
    assert early.ended is CloseCode.IDLE


async def test_a_longer_timeout_counts_for_who_is_there(house: House) -> None:
    client = await house.online()
    take(house, session={"timeout": "10m"})
    await house.pass_time(599.0)
    assert client.ended is None


async def test_the_resume_window_is_that_of_now(house: House) -> None:
    client = await house.online()
    client.link.lose()
    take(house, session={"resume_window": "10s"})
    await house.pass_time(11.0)
    assert not house.back(client, 1).answer.resumed
    assert house.back(client, 1).answer.resume_window == 10


async def test_start_has_the_time_of_now(house: House) -> None:
    client = house.connect()
    take(house, session={"start_timeout": "20s"})
    await house.pass_time(19.0)
    assert client.ended is None
    take(house, session={"start_timeout": "2s"})
    await house.pass_time(0.1)
    assert client.ended is CloseCode.PROTOCOL_ERROR


async def test_new_sessions_have_the_new_window_and_old_ones_keep_theirs(house: House) -> None:
    early = await house.online("early")
    take(house, session={"window_messages": 4, "window_bytes": "1MiB"})
    late = await house.online("late")
    for number in range(6):
        await house.push("early", str(number))
    assert len(early.texts) == 6
    answers = [await house.push("late", str(number)) for number in range(6)]
    assert [answer.error_code for answer in answers][4:] == ["WINDOW_FULL"] * 2
    assert late.ended is None


async def test_a_request_has_the_time_of_when_it_was_accepted(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow")
    take(house, processor={"task_timeout": "5s"})
    client.call("slow")
    await house.settle()
    assert [round(call.timeout, 6) for call in house.upstream.waiting()] == [30.0, 5.0]


async def test_bound_notifies_wait_for_the_time_of_now(house: House) -> None:
    client = await house.online()
    take(house, session={"bind_timeout": "2s"})
    assert (await house.push(hint=SyncHint.BEFORE_RESPONSE, client_seq=client.seq + 1)).success
    await house.pass_time(2.1)
    assert house.count("binds_expired") == 1


class Nobody:
    """Lets nobody in."""

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        del token, wall
        raise AuthRefused(f"{openid} may not")


async def test_another_authenticator_is_asked_for_who_comes_and_who_renews(house: House) -> None:
    client = await house.online()
    reconfigure(house.path, house.config, Nobody())
    assert not house.connect().start("bob").success
    assert client.ended is None
    refused = client.heartbeat(**{"auth-token": "x"})
    (push,) = client.pushes(refused)
    assert push.type == 4
    client.call("echo")
    await house.settle()
    assert client.ended is None


@pytest.mark.parametrize("turns", [1, 3])
async def test_nothing_of_it_disturbs_who_works(house: House, turns: int) -> None:
    client = await house.online()
    for turn in range(turns):
        seq = client.call("echo")
        take(house, session={"timeout": 100 + turn, "window_messages": 2000 + turn})
        await house.settle()
        assert client.reply(seq)
    assert client.ended is None
