"""Groups and presence, as a service has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import connect
from quicgw_fast.service import Broadcasted, GroupRefused, NotifyRefused, Request, Service, ServiceMistake
from tests.service.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.service.conftest import Ask, MakeGateway


async def test_a_client_joins_with_its_hello_and_hears_what_the_group_hears(ask: Ask) -> None:
    services: list[Service] = []

    def prepare(service: Service) -> None:
        services.append(service)

        @service.hello
        async def hello(request: Request) -> None:
            await request.join_group("room")
            await request.join_group("short", ttl=0.001)

        @service.action("go")
        def go(request: Request) -> None:
            request.wait(request.leave_group("room"))

    client = await ask(prepare)
    (service,) = services
    sent = await service.push_to_group("room", "chat", {"n": 1}, title="t", metadata={"k": "v"})
    assert (sent.sent_count, sent.pending_bytes) == (1, sent.most_pending_bytes)
    notify = await client.next_notify(PATIENCE)
    assert (notify.type, notify.data, notify.headers["k"], notify.headers["notify-group"]) == (
        "chat",
        b'{"n":1}',
        "v",
        "room",
    )
    (member,) = [member async for member in service.group_members("room")]
    assert (member.session_id, member.openid, member.attached, member.left) == (
        client.session_id,
        "alice",
        True,
        None,
    )
    (session,) = await service.sessions_of("alice")
    assert (session.session_id, session.attached, session.logged_in, session.detached_since) == (
        client.session_id,
        True,
        True,
        None,
    )
    assert "room" in session.groups
    await client.call("go")
    assert [member async for member in service.group_members("room")] == []
    assert (await service.push_to_group("room", "chat")).sent_count == 0


async def test_others_are_put_in_and_taken_out(ask: Ask) -> None:
    services: list[Service] = []
    client = await ask(services.append)
    (service,) = services
    assert await service.join_group("room", openid="alice", ttl=600) == 1
    (member,) = [member async for member in service.group_members("room")]
    assert member.left is not None
    assert 500 < member.left <= 600
    assert client.session_id is not None
    assert await service.leave_group("room", session=client.session_id) == 1
    assert await service.leave_group("room", openid="alice") == 0
    with pytest.raises(GroupRefused) as refused:
        await service.join_group("room", openid="nobody")
    assert (refused.value.error_code, refused.value.retryable) == ("TARGET_NOT_FOUND", True)
    with pytest.raises(GroupRefused, match="BAD_GROUP"):
        [member async for member in service.group_members("")]
    with pytest.raises(NotifyRefused, match="BAD_GROUP"):
        await service.push_to_group("", "chat")
    assert await service.sessions_of("nobody") == []
    for wrong in ({}, {"openid": "a", "session": "s"}):
        with pytest.raises(ServiceMistake, match="openid=… or session=…"):
            await service.join_group("room", **wrong)
    with pytest.raises(ServiceMistake, match="ttl"):
        await service.join_group("room", openid="alice", ttl=-1)


async def test_a_key_that_comes_again_sends_nothing(ask: Ask) -> None:
    services: list[Service] = []
    client = await ask(services.append)
    await services[0].join_group("room", openid="alice")
    for _ in range(2):
        assert (await services[0].push_to_group("room", "once", idempotency_key="k")).sent_count == 1
    await services[0].push_to_group("room", "end")
    assert [(await client.next_notify(PATIENCE)).type for _ in range(2)] == ["once", "end"]


async def test_a_group_is_of_all_gateways_of_the_service(make_gateway: MakeGateway) -> None:
    gateways = [await make_gateway(), await make_gateway()]
    service = Service("hello", gateway=[gateway.addresses.grpc for gateway in gateways])

    @service.hello
    async def hello(request: Request) -> None:
        await request.join_group("room")

    async with service.running() as running:
        await running.registered(PATIENCE)
        clients = [
            await connect(gateway.addresses.quic, openid=openid, insecure=True)
            for gateway, openid in zip(gateways, ("alice", "bob"), strict=True)
        ]
        try:
            sent = await service.push_to_group("room", "chat")
            assert isinstance(sent, Broadcasted)
            assert sent.sent_count == 2
            assert [(await client.next_notify(PATIENCE)).type for client in clients] == ["chat", "chat"]
            assert {member.openid async for member in service.group_members("room")} == {"alice", "bob"}
            assert await service.leave_group("room", openid="bob") == 1
            assert [session.address[:10] for session in await service.sessions_of("bob")] == ["127.0.0.1:"]
        finally:
            for client in clients:
                await client.close()


async def test_without_a_gateway_there_are_no_groups() -> None:
    service = Service("business")
    service.action("echo")(lambda: None)
    with pytest.raises(ServiceMistake, match="does not run"):
        await service.sessions_of("alice")
    async with service.running():
        with pytest.raises(ServiceMistake, match="no gateway"):
            await service.join_group("room", openid="alice")
