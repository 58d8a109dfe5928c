"""``auth.login = "token"``: whoever starts with a good token is logged in by it (protocol §2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.auth import AuthRefused, Grant
from quicgw_fast.codes import SyncHint
from quicgw_fast.session import SessionState
from tests.flow.slow_store import SlowStore
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]

JWT = {"mode": "jwt", "login": "token"}


class Issuer:
    """Takes tokens of the form ``openid:zone:gid``."""

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        name, _, rest = token.partition(":")
        if name != openid:
            raise AuthRefused("another openid")
        zone, _, gid = rest.partition(":")
        return Grant(openid, None, zone, gid)


@pytest.fixture
def store() -> SlowStore | None:
    return None


@pytest.fixture
async def house(make_house: MakeHouse, store: SlowStore | None) -> House:
    return await make_house(auth=JWT, authenticator=Issuer(), store=store)


async def test_a_good_token_logs_in_and_no_service_is_asked(house: House) -> None:
    client = house.started(token="alice:7:g1")
    assert client.session.state is SessionState.NORMAL
    assert (client.session.zone, client.session.gid) == ("7", "g1")
    seq = client.call("echo", b"x")
    await house.settle()
    assert client.texts == ["200 x"]
    assert house.upstream.called() == ["echo"]
    assert (await house.push("g1", kind="gid")).message == "sent"
    assert house.count("logins_by_token") == 1
    assert business(client.reply(seq)).data == b"x"


async def test_hello_is_answered_by_the_gateway(house: House) -> None:
    client = house.started(token="alice:-3:g1")
    first, echo = client.call("Hello"), client.call("echo", b"behind")
    await house.settle()
    assert client.texts == ["200 ", "200 behind"]
    assert business(client.reply(first)).message == "logged in"
    assert dict(client.reply(first).headers) == {"zone": "-3", "gid": "g1"}
    assert client.reply(echo).seq_id == 2
    assert house.upstream.called() == ["echo"]
    plain = house.started("bob", token="bob")
    seq = plain.call("hello")
    await house.settle()
    assert (business(plain.reply(seq)).code, dict(plain.reply(seq).headers)) == (200, {})


async def test_notifies_may_be_bound_to_that_hello(house: House) -> None:
    client = house.started(token="alice")
    await house.push(content="before", hint=SyncHint.BEFORE_RESPONSE, client_seq=1)
    client.call("hello")
    await house.settle()
    await house.push(content="now")
    assert client.texts == ["before", "200 ", "now"]


async def test_a_bad_token_starts_nothing(house: House) -> None:
    client = house.connect()
    assert client.start("alice", token="bob").error.error_code == 401
    assert house.count("logins_by_token") == 0


async def test_who_resumes_is_logged_in_once_and_takes_the_gid_of_the_new_token(house: House) -> None:
    client = house.started(token="alice:1:g1")
    client.link.lose()
    back = house.connect()
    back.start("alice", 0, client.session.id, client.answer.epoch, token="alice:2:g2")
    assert back.answer.resumed
    assert (back.session.zone, back.session.gid) == ("2", "g2")
    assert house.count("logins_by_token") == 1
    assert (await house.push("g1", kind="gid")).error_code == "TARGET_NOT_FOUND"


class TestWithAStore:
    @pytest.fixture
    def store(self) -> SlowStore:
        return SlowStore()

    async def test_what_was_stored_comes_before_what_is_pushed_meanwhile(self, house: House, store: SlowStore) -> None:
        for number in range(3):
            assert (await house.push(content=str(number))).message == "stored"
        store.shut("load")
        client = house.started(token="alice")
        assert client.session.state is SessionState.NORMAL
        client.call("echo", b"at once")
        await house.settle()
        await house.push(content="3")
        await house.settle()
        assert client.texts == ["200 at once"]
        store.open("load")
        async with asyncio.timeout(5):
            while len(client.texts) < 5:
                await asyncio.sleep(0)
        assert client.texts == ["200 at once", "0", "1", "2", "3"]
        assert client.numbers == [1, 2, 3, 4, 5]

    async def test_a_hello_behind_it_brings_nothing_twice(self, house: House) -> None:
        await house.push(content="0")
        client = house.started(token="alice")
        client.call("hello")
        await house.settle()
        assert sorted(client.texts) == ["0", "200 "]

    async def test_what_cannot_be_read_comes_later(self, house: House, store: SlowStore) -> None:
        await house.push(content="0")
        store.failing = {"load"}
        client = house.started(token="alice")
        await house.settle()
        assert not client.texts
        store.failing = set()
        await house.pass_time(2.0)
        await house.settle()
        assert client.texts == ["0"]
