from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.demo.actions import ACTIONS
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from tests.demo.conftest import Ask
    from tests.demo.fake_gateway import FakeGateway


def test_every_action_is_there() -> None:
    names = (
        "hello login logout echo zone time calculate status session_info user_list heartbeat data_sync "
        "notification business_msg before after broadcast sleep fail"
    )
    assert sorted(ACTIONS) == sorted(names.split())


@pytest.mark.parametrize("service", ["hello", "business", "zone"])
@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_every_service_answers_every_action_with_the_number_asked(ask: Ask, action: str, service: str) -> None:
    response = await ask(action, service=service, op="add", a="1", b="2", ms="0", code="200")
    assert response.code == 200
    assert response.client_seq_id == 9


@pytest.mark.parametrize("action", ["hello", "HELLO", "login"])
async def test_hello_gives_zone_and_gid(ask: Ask, action: str) -> None:
    response = await ask(action, service="hello")
    zone = int.from_bytes(hashlib.md5(b"alice").digest()[:4], "big") % 6 + 1
    assert response.code == 200
    assert dict(response.headers) == {"zone": str(zone), "gid": "gid-alice"}


@pytest.mark.parametrize(("refuse", "code"), [("1", 401), ("403", 403), ("0", 200), ("no", 400), ("1000", 400)])
async def test_hello_refuses_when_asked_to(ask: Ask, refuse: str, code: int) -> None:
    assert (await ask("hello", refuse=refuse)).code == code


async def test_users_come_and_go(ask: Ask) -> None:
    for openid in ("alice", "bob", "alice"):
        await ask("hello", openid=openid, service="hello")
    await ask("hello", openid="mallory", refuse="1")
    assert json.loads((await ask("user_list", service="zone")).data) == ["bob", "alice"]
    assert (await ask("logout", openid="bob")).message == "goodbye"
    assert (await ask("logout", openid="bob")).message == "was not logged in"
    assert json.loads((await ask("user_list")).data) == ["alice"]


async def test_user_list_is_bounded(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quicgw_fast.demo.actions._MOST_USERS", 2)
    for openid in ("a", "b", "c"):
        await ask("hello", openid=openid)
    assert json.loads((await ask("user_list")).data) == ["b", "c"]


async def test_echo(ask: Ask) -> None:
    assert (await ask("echo", b"\x00\xff")).data == b"\x00\xff"
    assert (await ask("echo", text="wörd")).data == "wörd".encode()
    assert len((await ask("echo", size="2000000")).data) == 2_000_000
    assert (await ask("echo")).data == b""
    assert (await ask("echo", size="-1")).code == 400


@pytest.mark.parametrize("action", ["zone", "business_msg"])
async def test_plain_work(ask: Ask, action: str) -> None:
    response = await ask(action, b"data", service="zone")
    assert (response.data, response.message) == (b"data", "taken by zone")
    assert (await ask(action, text="text")).data == b"text"


@pytest.mark.parametrize("action", ["time", "heartbeat"])
async def test_time_in_milliseconds(ask: Ask, action: str) -> None:
    assert abs(int((await ask(action)).data) / 1000 - time.time()) < 60


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        ("add", "2", "3", "5"),
        ("sub", "2", "3", "-1"),
        ("mul", "-4", "+5", "-20"),
        ("div", "1", "4", "0.25"),
        ("add", "0.5", "1", "1.5"),
        ("mul", "9" * 20, "10", "9" * 20 + "0"),
    ],
)
async def test_calculate(ask: Ask, op: str, a: str, b: str, result: str) -> None:
    response = await ask("calculate", op=op, a=a, b=b)
    assert (response.code, response.data.decode()) == (200, result)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "op must be one of add, sub, mul, div"),
        ({"op": "pow", "a": "1", "b": "2"}, "op must be"),
        ({"op": "add", "a": "1"}, "b must be a number"),
        ({"op": "add", "a": "one", "b": "2"}, "a must be a number"),
        ({"op": "add", "a": "nan", "b": "2"}, "a must be a number"),
        ({"op": "add", "a": "1", "b": "inf"}, "b must be a number"),
        ({"op": "add", "a": "1", "b": "9" * 5000}, "b must be a number"),
        ({"op": "div", "a": "1", "b": "0"}, "division by zero"),
        ({"op": "div", "a": "1", "b": "0.0"}, "division by zero"),
        ({"op": "mul", "a": "1e308", "b": "1e308"}, "too large"),
    ],
)
async def test_calculate_refuses(ask: Ask, params: dict[str, str], message: str) -> None:
    response = await ask("calculate", **params)
    assert response.code == 400
    assert response.client_seq_id == 9
    assert message in response.message


async def test_status_counts(ask: Ask) -> None:
    await ask("hello", service="zone")
    status = json.loads((await ask("status", service="zone")).data)
    assert status.pop("uptime") >= 0
    assert status == {"service": "zone", "served": 2, "users": 1}


async def test_session_info_shows_what_the_gateway_said(ask: Ask) -> None:
    info = json.loads((await ask("session_info", headers={"trace": "7"})).data)
    assert info == {"session_id": "s-1", "openid": "alice", "client_seq_id": 9, "headers": {"trace": "7"}}


async def test_data_sync(ask: Ask) -> None:
    response = await ask("data_sync", b"12345")
    assert (response.data, response.message) == (b"12345", "synced 5 bytes")


async def test_sleep(ask: Ask) -> None:
    started = time.monotonic()
    assert (await ask("sleep", ms="50")).message == "slept 50 ms"
    assert time.monotonic() - started >= 0.045
    for wrong in ("-1", "x", "600001", "1.5", ""):
        assert (await ask("sleep", ms=wrong)).code == 400


async def test_fail(ask: Ask) -> None:
    assert (await ask("fail")).code == 500
    assert (await ask("fail", code="418")).code == 418
    assert (await ask("fail", code="0")).code == 400
    assert (await ask("fail", grpc="1", status="nonsense")).code == 400
    assert (await ask("fail", grpc="1", status="ok")).code == 400
    for params, status in (
        ({}, grpc.StatusCode.INTERNAL),
        ({"status": "unavailable"}, grpc.StatusCode.UNAVAILABLE),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask("fail", grpc="1", **params)
        assert caught.value.code() is status


async def test_unknown_action(ask: Ask) -> None:
    response = await ask("no_such_thing")
    assert response.code == 404
    assert "has no handler for 'no_such_thing' (it has: hello, login, logout, echo" in response.message


@pytest.mark.parametrize(
    ("action", "hint", "client_seq"),
    [
        ("notification", pb.NSH_IMMEDIATELY, 0),
        ("before", pb.NSH_BEFORE_RESPONSE, 9),
        ("AFTER", pb.NSH_AFTER_RESPONSE, 9),
    ],
)
async def test_pushes_go_to_the_caller_and_are_bound_to_the_request(
    ask: Ask, gateway: FakeGateway, action: str, hint: pb.NotifySyncHint.ValueType, client_seq: int
) -> None:
    response = await ask(action, b"payload", count="3", text="read this", title="Look")
    assert response.code == 200
    assert response.data == b"payload"
    assert dict(response.headers) == {"pushed": "3", "refused": "0"}
    assert gateway.pushes == [
        pb.UnicastPushRequest(
            target_type="session",
            target_id="s-1",
            msg_type=action.lower(),
            title="Look",
            content="read this",
            data=b"payload",
            metadata={"index": str(index)},
            sync_hint=hint,
            bind_client_seq_id=client_seq,
        )
        for index in (1, 2, 3)
    ]


async def test_pushes_have_defaults_and_can_go_to_others(ask: Ask, gateway: FakeGateway) -> None:
    await ask("before", count="2")
    assert [push.content for push in gateway.pushes] == ["before 1 of 2", "before 2 of 2"]
    await ask("notification", target_type="openid", target_id="bob")
    assert (gateway.pushes[2].target_type, gateway.pushes[2].target_id) == ("openid", "bob")


async def test_refused_pushes_are_said(ask: Ask, gateway: FakeGateway) -> None:
    gateway.accept = 2
    response = await ask("before", count="5")
    assert (response.code, response.message) == (409, "3 of 5 refused: BIND_LIMIT")
    assert dict(response.headers) == {"pushed": "2", "refused": "3"}


@pytest.mark.parametrize("count", ["0", "-1", "2001", "many"])
async def test_count_is_checked(ask: Ask, gateway: FakeGateway, count: str) -> None:
    assert (await ask("after", count=count)).code == 400
    assert gateway.pushes == []


async def test_broadcast(ask: Ask, gateway: FakeGateway) -> None:
    response = await ask("broadcast", b"data", text="all of you", title="Hear")
    assert (response.code, response.data) == (200, b"42")
    assert gateway.broadcasts == [
        pb.BroadcastRequest(
            msg_type="broadcast", title="Hear", content="all of you", data=b"data", metadata={"from": "alice"}
        )
    ]
