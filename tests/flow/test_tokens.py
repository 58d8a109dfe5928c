"""Authentication on the way: START, renewal by heartbeat, expiry, and what guessing costs (protocol §2)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.auth import AuthRefused, Grant
from quicgw_fast.codes import CloseCode, RequestType
from tests.support.wire import error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


class Doorman:
    """Knows tokens of the form ``openid:wall seconds of its end``."""

    def __init__(self) -> None:
        self.asked = 0

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        self.asked += 1
        name, _, end = token.partition(":")
        if name != openid:
            raise AuthRefused("sub is another openid")
        if wall >= float(end or "inf"):
            raise AuthRefused("expired")
        return Grant(openid, float(end) if end else None)


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    return await make_house(authenticator=Doorman())


def token_for(house: House, openid: str, seconds: float) -> str:
    return f"{openid}:{house.clock.wall + seconds}"


def refused(client: Client, openid: str, token: str) -> tuple[int, str, str]:
    answer = client.start(openid, token=token)
    assert not answer.success
    return answer.error.error_code, answer.error.error_message, answer.error.detail


async def test_a_good_token_starts_a_session(house: House) -> None:
    client = house.connect()
    assert client.start("alice", token=token_for(house, "alice", 90.0)).success
    assert client.answer_headers == {"token-expires-in": "90"}


async def test_an_end_that_no_integer_of_a_client_holds_is_told_as_a_long_time(house: House) -> None:
    client = house.connect()
    assert client.start("alice", token="alice:1e300").success
    assert client.answer_headers == {"token-expires-in": str(2**31 - 1)}


async def test_a_token_without_an_end(house: House) -> None:
    client = house.connect()
    assert client.start("alice", token="alice").success
    assert client.answer_headers == {}


async def test_every_bad_token_gets_the_same_answer(house: House) -> None:
    answers = set()
    for token in ("", "bob", token_for(house, "alice", -1.0), "x" * 3000):
        client = house.connect()
        answers.add(refused(client, "alice", token))
        assert client.ended is CloseCode.AUTH_FAILED
    assert answers == {(401, "authentication failed", "")}
    assert len(house.path.registry) == 0
    assert house.count("auth_refused") == 4


async def test_an_openid_is_not_taken_over_without_its_token(house: House) -> None:
    client = house.connect()
    client.start("alice", token="alice")
    thief = house.connect()
    thief.start("alice", 0, client.answer.connection_id, client.answer.epoch, token="mallory")
    assert thief.ended is CloseCode.AUTH_FAILED
    assert client.ended is None
    assert client.session.attached


async def test_another_ones_session_and_none_look_the_same(house: House) -> None:
    client = house.connect()
    client.start("alice", token="alice")
    seen = []
    for session_id, epoch in ((client.answer.connection_id, client.answer.epoch), ("0" * 32, "0" * 16)):
        thief = house.connect()
        answer = thief.start("mallory", 5, session_id, epoch, token="mallory")
        seen.append((answer.resumed, answer.reset_reason, answer.replay_from, thief.answer_headers))
    assert seen[0] == seen[1]
    assert client.ended is None


# Guessing


async def guessed(house: House, count: int = 10, openid: str = "alice") -> None:
    for number in range(count):
        house.connect(f"192.0.2.66:{number}").start(openid, token="guess")
    await house.settle()


async def test_ten_refused_tokens_do_not_refuse_a_good_one(house: House) -> None:
    await guessed(house)
    for openid in ("bob", "alice"):
        client = house.connect("192.0.2.66:99")
        assert client.start(openid, token=openid).success, "a good token from an address that guessed"
        assert client.ended is None


async def test_an_address_that_guesses_on_is_looked_at_rarely(house: House) -> None:
    await guessed(house)
    answers = []
    for number in range(20):
        late = house.connect(f"192.0.2.66:{100 + number}")
        answers.append(refused(late, "alice", "guess")[0])
        if answers[-1] == 429:
            (push,) = late.link.sent
            assert 0 < int(push.headers["retry-after-ms"]) <= 1000
            assert late.ended is CloseCode.OVERLOADED
        else:
            assert late.ended is CloseCode.AUTH_FAILED
    assert 0 < answers.count(401) < 10
    doorman = house.authenticator
    assert isinstance(doorman, Doorman)
    assert doorman.asked == 10 + answers.count(401)
    assert house.count("refused", "start", "guessed-tokens") == answers.count(429)
    assert house.connect("192.0.2.67:1").start("alice", token="alice").success, "another address"
    assert house.connect("192.0.2.66:200").start("bob", token="bob").success, "another client behind the same one"


async def test_a_good_token_that_was_not_looked_at_is_accepted_after_the_time_it_was_told(house: House) -> None:
    await guessed(house, 50)
    late = house.connect("192.0.2.66:99")
    assert refused(late, "alice", "alice")[0] == 429
    (push,) = late.link.sent
    house.clock.advance(int(push.headers["retry-after-ms"]) / 1000)
    assert house.connect("192.0.2.66:100").start("alice", token="alice").success


async def test_refused_tokens_are_one_line_a_minute(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await guessed(house, 9)
        await house.pass_time(61.0)
    lines = [record for record in caplog.records if record.getMessage() == "token refused"]
    assert [getattr(record, "count", 1) for record in lines] == [1, 8]


async def test_each_reason_has_its_own_line(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody who configures tokens finds the right one if only the first mistake of a minute is told."""
    reasons = iter([AuthRefused("expired"), AuthRefused("no token"), *(AuthRefused(f"no {n}", "no") for n in range(3))])

    class Refuses:
        def authenticate(self, openid: str, token: str, wall: float) -> Grant:
            raise next(reasons)

    house.authenticator = Refuses()
    with caplog.at_level(logging.WARNING):
        for port in range(5):
            house.connect(f"192.0.2.66:{port + 1}").start("alice", token="x")
    lines = [record for record in caplog.records if record.getMessage() == "token refused"]
    assert [vars(record)["reason"] for record in lines] == ["expired", "no token", "no 0"]


# Renewal


async def test_a_heartbeat_renews_the_token(house: House) -> None:
    client = house.connect()
    client.start("alice", token=token_for(house, "alice", 60.0))
    await house.pass_time(50.0)
    (push,) = client.pushes(client.heartbeat(auth_token=token_for(house, "alice", 100.0)))
    assert dict(push.headers) == {"auth-refresh": "ok", "token-expires-in": "100"}
    await house.pass_time(99.0)
    assert client.ended is None
    await house.pass_time(1.0)
    assert client.ended is CloseCode.TOKEN_EXPIRED


async def test_without_renewal_the_connection_ends_with_the_token(house: House) -> None:
    client = house.connect()
    client.start("alice", token=token_for(house, "alice", 60.0))
    await house.pass_time(59.0)
    client.heartbeat()
    assert client.ended is None
    await house.pass_time(1.0)
    assert client.ended is CloseCode.TOKEN_EXPIRED
    assert not client.session.attached
    assert house.count("tokens_expired") == 1
    again = house.connect()
    answer = again.start("alice", 0, client.answer.connection_id, token=token_for(house, "alice", 60.0))
    assert answer.resumed
    await house.pass_time(30.0)
    assert again.ended is None


@pytest.mark.parametrize("token", ["", "bob", "alice:1"])
async def test_a_bad_renewal_is_401_and_the_old_token_stays(house: House, token: str) -> None:
    client = house.connect()
    client.start("alice", token=token_for(house, "alice", 60.0))
    (push,) = client.pushes(client.heartbeat(auth_token=token))
    assert error(push).error_code == 401
    await house.pass_time(59.0)
    assert client.ended is None
    await house.pass_time(1.0)
    assert client.ended is CloseCode.TOKEN_EXPIRED


async def test_three_bad_renewals_end_the_connection(house: House) -> None:
    client = house.connect()
    client.start("alice", token="alice")
    client.heartbeat(auth_token="bob")
    client.heartbeat(auth_token="alice")
    client.heartbeat(auth_token="bob")
    assert client.ended is None
    client.heartbeat(auth_token="bob")
    assert client.ended is CloseCode.AUTH_FAILED
    assert client.link.sent[-1].seq_id == 2  # the third one is answered by the close alone


async def test_guesses_from_the_same_address_are_nothing_to_a_renewal(house: House) -> None:
    client = house.connect("192.0.2.66:1")
    client.start("alice", token=token_for(house, "alice", 600.0))
    await guessed(house, 50)
    (push,) = client.pushes(client.heartbeat(auth_token=token_for(house, "alice", 900.0)))
    assert push.headers["auth-refresh"] == "ok"


async def test_bad_renewals_are_nothing_to_others_behind_the_address(house: House) -> None:
    for number in range(8):
        client = house.connect(f"192.0.2.66:{number}")
        client.start(f"user-{number}", token=f"user-{number}")
        for _ in range(3):
            client.heartbeat(auth_token="bad")
        assert client.ended is CloseCode.AUTH_FAILED
    assert not house.path.attempts.over("192.0.2.66:1", house.clock.now)


async def test_renewals_have_a_rate(house: House) -> None:
    client = house.connect()
    client.start("alice", token="alice")
    answers = [client.pushes(client.heartbeat(auth_token="alice"))[0] for _ in range(8)]
    assert ["auth-refresh" in push.headers for push in answers] == [True] * 5 + [False] * 3
    assert error(answers[-1]).error_code == 429
    assert int(answers[-1].headers["retry-after-ms"]) > 0
    assert client.ended is None
    house.clock.advance(1.0)
    (push,) = client.pushes(client.heartbeat(auth_token="alice"))
    assert "auth-refresh" in push.headers


async def test_the_rate_of_renewals_is_the_sessions_and_survives_a_reconnect(house: House) -> None:
    client = house.connect()
    client.start("alice", token="alice")
    for _ in range(5):
        client.heartbeat(auth_token="alice")
    again = house.connect()
    assert again.start("alice", 0, client.answer.connection_id, client.answer.epoch, token="alice").resumed
    (push,) = again.pushes(again.heartbeat(auth_token="alice"))
    assert error(push).error_code == 429
    assert again.ended is None


async def test_a_token_in_another_message_renews_nothing(house: House) -> None:
    client = house.connect()
    client.start("alice", token=token_for(house, "alice", 60.0))
    client.send(RequestType.ACK, headers={"auth-token": token_for(house, "alice", 900.0)})
    await house.pass_time(60.0)
    assert client.ended is CloseCode.TOKEN_EXPIRED
