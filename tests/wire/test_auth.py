"""Protocol §2, §6 and §7: who may use an openid, and for how long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

import quicgw_fast
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import forged, wire
from tests.support.pages import readiness
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

SECRET = "0123456789abcdef0123456789abcdef-secret"


def token(
    openid: str = "alice", *, lasts: float = 60.0, key: str = SECRET, algorithm: str = "HS256", **claims: Any
) -> str:
    """A signed token for an openid."""
    body = {"sub": openid, "exp": int(time.time() + lasts), **claims}
    return jwt.encode({name: value for name, value in body.items() if value is not None}, key, algorithm=algorithm)


@pytest.fixture
async def world(make_world: WorldMaker, tmp_path: Path) -> World:
    """A world that wants tokens."""
    key = tmp_path / "secret"
    key.write_text(SECRET)
    limits = {"auth_failures_per_minute": 1000}
    return await make_world(auth={"mode": "jwt", "key_file": key, "algorithms": ["HS256"]}, limits=limits)


async def start(world: World, openid: str, text: str, **more: Any) -> RawClient:
    client = await world.connect()
    await client.start(openid, text, **more)
    return client


async def test_a_good_token_is_accepted(world: World) -> None:
    client = await start(world, "alice", token())
    assert client.started is not None
    assert client.started.success, client.started.error
    assert wire.business(await client.hello()).code == 200


BAD = {
    "none": "",
    "garbage": "abc.def.ghi",
    "wrong key": token(key="another-secret-another-secret-another"),
    "somebody else": token("bob"),
    "expired": token(lasts=-30),
    "not yet": token(nbf=int(time.time()) + 600),
    "no exp": token(exp=None),
    "no sub": token(sub=None),
    "unsigned": token(key="", algorithm="none"),
    "other algorithm": token(algorithm="HS512", key=SECRET + SECRET),
}


@pytest.mark.parametrize("kind", list(BAD))
async def test_a_bad_token_is_refused_without_detail(world: World, kind: str) -> None:
    client = await start(world, "alice", BAD[kind])
    answer = client.started
    assert answer is not None
    assert not answer.success
    assert answer.error.error_code == 401
    assert not answer.connection_id
    assert not answer.epoch
    phrase = await assert_closed(client, CloseCode.AUTH_FAILED)
    other = await start(world, "alice", BAD["garbage"])
    assert other.started == answer, "the answer tells which part was wrong"
    assert await assert_closed(other, CloseCode.AUTH_FAILED) == phrase


async def test_nobody_is_taken_over_by_a_client_that_is_not_authenticated(world: World) -> None:
    victim = await start(world, "alice", token())
    await victim.hello()
    assert victim.started is not None
    session = {"session_id": victim.started.connection_id, "epoch": victim.started.epoch}
    for openid, text in (("alice", ""), ("alice", token("mallory")), ("alice", BAD["wrong key"])):
        thief = await start(world, openid, text, last_acked=1, **session)
        assert thief.started is not None
        assert not thief.started.success
    # Authenticated, but as somebody else:
    thief = await start(world, "mallory", token("mallory"), last_acked=1, **session)
    assert thief.started is not None
    assert thief.started.reset_reason == pb.RESET_REASON_UNKNOWN_SESSION
    assert wire.business(await victim.call("echo")).code == 200
    victim.assert_gap_free()


async def test_a_token_logs_in_where_no_service_does(make_world: WorldMaker, tmp_path: Path) -> None:
    key = tmp_path / "secret"
    key.write_text(SECRET)
    auth = {"mode": "jwt", "key_file": key, "login": "token", "zone_claim": "zone", "gid_claim": "guild"}
    base = await make_world()
    services = {name: [base.business.address] for name in ("business", "zone")}
    world = await make_world(auth=auth, upstream=services, offline={"store": "memory"})
    assert (await readiness(world.gateway.addresses.admin))[0] == 200
    assert (await world.pusher.push("alice", data=b"stored")).message == "stored"
    client = await start(world, "alice", token(zone=7, guild="knights"))
    await client.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == b"stored")
    assert wire.business(await client.call("anything", data=b"x")).data == b"x"
    hello = await client.hello()
    assert (wire.business(hello).code, dict(hello.headers)) == (200, {"zone": "7", "gid": "knights"})
    assert (await world.pusher.push("knights", by="gid", data=b"now")).success
    await client.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == b"now")
    assert [request.action for request in base.business.requests] == ["anything"]
    client.assert_gap_free()


async def test_the_sdk_needs_no_change_for_that(make_world: WorldMaker, tmp_path: Path) -> None:
    key = tmp_path / "secret"
    key.write_text(SECRET)
    world = await make_world(auth={"mode": "jwt", "key_file": key, "login": "token"})
    host, port = world.address
    async with quicgw_fast.connect(f"{host}:{port}", openid="alice", token=token(), insecure=True) as sdk:
        assert (await sdk.call("echo", data=b"x")).data == b"x"
    async with quicgw_fast.connect(
        f"{host}:{port}", openid="bob", token=token("bob"), insecure=True, login=False
    ) as sdk:
        assert (await sdk.call("echo", data=b"y")).data == b"y"
    assert not world.hello.requests


async def test_a_token_that_ends_closes_the_connection_and_a_new_one_resumes(world: World) -> None:
    client = await start(world, "alice", token(lasts=2.0))
    await client.hello()
    await assert_closed(client, CloseCode.TOKEN_EXPIRED)
    assert client.started is not None
    again = await start(
        world, "alice", token(), last_acked=1, session_id=client.started.connection_id, epoch=client.started.epoch
    )
    assert again.started is not None
    assert again.started.resumed


async def test_a_token_can_be_renewed_without_reconnecting(world: World) -> None:
    client = await start(world, "alice", token(lasts=2.0))
    await client.hello()
    beat = pb.HeartbeatRequest().SerializeToString()
    push = await client.reply(client.request(pb.REQUEST_HEARTBEAT, beat, headers={"auth-token": token()}))
    assert push.type == pb.PUSH_HEARTBEAT_RESP
    with pytest.raises(TimeoutError):
        await client.wait_closed(within=2.6)
    assert wire.business(await client.call("echo")).code == 200


async def test_renewing_with_a_bad_token_is_401_and_the_third_time_the_end(world: World) -> None:
    client = await start(world, "alice", token())
    await client.hello()
    beat = pb.HeartbeatRequest().SerializeToString()
    for _ in range(2):
        push = await client.reply(client.request(pb.REQUEST_HEARTBEAT, beat, headers={"auth-token": "bad"}))
        assert wire.error(push).error_code == 401
    client.request(pb.REQUEST_HEARTBEAT, beat, headers={"auth-token": token("bob")})
    await assert_closed(client, CloseCode.AUTH_FAILED)


async def test_an_address_that_guesses_is_slowed_down_and_refuses_no_good_token(
    make_world: WorldMaker, tmp_path: Path
) -> None:
    key = tmp_path / "secret"
    key.write_text(SECRET)
    world = await make_world(auth={"mode": "jwt", "key_file": key}, limits={"auth_failures_per_minute": 5})
    there = await start(world, "carol", token("carol"))
    codes = []
    for number in range(30):
        client = await start(world, "alice", f"bad {number}")
        assert client.started is not None
        codes.append(client.started.error.error_code)
        if codes[-1] == 429:
            await assert_closed(client, CloseCode.OVERLOADED)
            assert client.start_push is not None
            assert 0 < int(client.start_push.headers["retry-after-ms"]) <= 1000
        else:
            await assert_closed(client, CloseCode.AUTH_FAILED)
    assert codes[:5] == [401] * 5
    assert codes.count(429) > 10
    for openid in ("bob", "alice"):
        await retried(world, openid)
    beat = pb.HeartbeatRequest().SerializeToString()
    push = await there.reply(there.request(pb.REQUEST_HEARTBEAT, beat, headers={"auth-token": token("carol")}))
    assert push.headers["auth-refresh"] == "ok"


@pytest.mark.parametrize("victim", ["127.0.0.9"])
async def test_guesses_count_for_the_address_that_was_validated_and_not_for_a_forged_one(
    make_world: WorldMaker, tmp_path: Path, victim: str
) -> None:
    key = tmp_path / "secret"
    key.write_text(SECRET)
    world = await make_world(auth={"mode": "jwt", "key_file": key}, limits={"auth_failures_per_minute": 5})
    codes = []
    with forged.address_of(victim) as stranger:
        for number in range(30):
            answer = await forged.start(world.address, "alice", f"bad {number}", forged=stranger)
            assert answer is not None
            codes.append(answer.error.error_code)
    assert codes[:5] == [401] * 5
    assert codes.count(429) > 10, "they are limited, whatever address they claim"
    for openid in ("bob", "alice"):
        answer = await forged.start(world.address, openid, token(openid), host=victim)
        assert answer is not None
        assert answer.success, "nothing was held against the stranger"


async def retried(world: World, openid: str) -> None:
    """START with a good token, again after the time that is told; never is it refused for good."""
    for _ in range(5):
        client = await start(world, openid, token(openid))
        assert client.started is not None
        if client.started.success:
            return
        await assert_closed(client, CloseCode.OVERLOADED)
        assert client.start_push is not None
        await asyncio.sleep(int(client.start_push.headers["retry-after-ms"]) / 1000)
    raise AssertionError("a good token did not get through")


async def test_a_gateway_for_development_does_not_warn_that_everybody_is_let_in(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "quicgw.gateway"):
        await make_world()
    assert "gateway started" in caplog.messages
    assert "authentication is off" not in caplog.messages
