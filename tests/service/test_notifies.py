"""Notifies bound to an answer, now, and to others; and the exceptions where the gateway refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import connect
from quicgw_fast.service import (
    BindLimitReached,
    Broadcasted,
    GatewayUnreachable,
    NotifyRefused,
    Request,
    ResponseGone,
    Service,
    TargetMissing,
    WindowIsFull,
)
from quicgw_fast.service.errors import notify_refused
from tests.service.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.service.conftest import Ask, MakeGateway


async def test_bound_notifies_go_around_the_answer(ask: Ask) -> None:
    outcomes = []

    def prepare(service: Service) -> None:
        @service.action("async")
        async def with_await(request: Request) -> bytes:
            outcomes.append(await request.notify_after("after", {"n": 3}, title="t", content="c", metadata={"m": "x"}))
            outcomes.append(await request.notify_before("before", "text"))
            outcomes.append(await request.notify("now", b"\xff"))
            return b"answer"

        @service.action("plain")
        def with_wait(request: Request) -> bytes:
            request.wait(request.notify_before("before"))
            service.wait(service.push("now", openid=request.openid))
            return b"answer"

    client = await ask(prepare)
    reply = await client.call("async")
    told = [await client.next_notify(PATIENCE) for _ in range(3)]
    assert [each.type for each in told] == ["now", "before", "after"]
    assert [each.data for each in told] == [b"\xff", b"text", b'{"n":3}']
    assert (told[2].title, told[2].headers["m"], told[2].headers["notify-content"]) == ("t", "x", "c")
    assert told[1].seq_id + 1 == reply.seq_id == told[2].seq_id - 1
    assert [each.outcome for each in outcomes] == ["bound", "bound", "sent"]
    assert outcomes[2].pending_bytes > 0
    await client.call("plain")
    assert [(await client.next_notify(PATIENCE)).type for _ in range(2)] == ["now", "before"]


async def test_pushes_to_others(ask: Ask) -> None:
    services: list[Service] = []
    client = await ask(services.append)
    (service,) = services
    assert (await service.push("a", openid="alice")).outcome == "sent"
    assert (await service.push("b", session=client.session_id)).outcome == "sent"
    told = await service.broadcast("c", {"to": "all"}, title="x")
    assert isinstance(told, Broadcasted)
    assert told.sent_count == 1
    assert told.most_pending_bytes > 0
    assert [(await client.next_notify(PATIENCE)).type for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(TargetMissing, match="TARGET_NOT_FOUND") as caught:
        await service.push("a", openid="bob")
    assert caught.value.retryable


async def test_too_late_before(ask: Ask) -> None:
    services: list[Service] = []
    kept: list[Request] = []

    def prepare(service: Service) -> None:
        services.append(service)
        service.action("keep")(kept.append)

    client = await ask(prepare)
    await client.call("keep")
    with pytest.raises(ResponseGone) as caught:
        await kept[0].notify_before("late")
    assert not caught.value.retryable
    assert (await kept[0].notify_after("late")).outcome == "sent"


async def test_a_session_is_found_at_whichever_gateway_it_is(make_gateway: MakeGateway) -> None:
    gateways = [await make_gateway() for _ in range(2)]
    service = Service("hello", gateway=[each.addresses.grpc for each in gateways])

    @service.hello
    async def hello(request: Request) -> None:
        await request.notify_after("welcome")

    async with service.running() as running:
        await running.registered(PATIENCE)
        for number, gateway in enumerate(gateways):
            async with connect(gateway.addresses.quic, openid=f"p{number}", insecure=True) as client:
                assert (await client.next_notify(PATIENCE)).type == "welcome"
                assert (await service.broadcast("all")).sent_count == 1
                await service.push("one", openid=f"p{number}")
                assert [(await client.next_notify(PATIENCE)).type for _ in range(2)] == ["all", "one"]


async def test_a_gateway_that_is_not_there() -> None:
    service = Service(gateway="127.0.0.1:1")
    service.default(lambda: None)
    async with service.running() as running:
        with pytest.raises(GatewayUnreachable, match=r"^the gateway at 127\.0\.0\.1:1: nothing listens there$"):
            await service.push("mail", openid="alice")
        with pytest.raises(GatewayUnreachable, match=r"not registered within 0\.\d s: .*nothing listens there"):
            await running.registered(0.5)


async def test_a_service_that_has_stopped(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway()
    kept: list[Request] = []
    service = Service("hello", gateway=gateway.addresses.grpc)
    service.hello(kept.append)
    async with service.running() as running:
        await running.registered(PATIENCE)
        async with connect(gateway.addresses.quic, openid="alice", insecure=True):
            pass
    with pytest.raises(GatewayUnreachable, match="the connection is closed, as the service has stopped"):
        await kept[0].notify("late")


async def test_a_service_without_a_gateway_says_so(caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    service.default(lambda: None)
    async with service.running() as running:
        await running.registered(PATIENCE)
        (record,) = [each for each in caplog.records if each.name == "quicgw.service"]
        assert (record.getMessage(), vars(record)["address"]) == ("registered with no gateway", running.address)


def test_each_refusal_has_its_exception() -> None:
    kinds = {
        "TARGET_NOT_FOUND": TargetMissing,
        "WINDOW_FULL": WindowIsFull,
        "CACHE_FULL": WindowIsFull,
        "RESPONSE_ALREADY_SENT": ResponseGone,
        "BIND_LIMIT": BindLimitReached,
        "DRAINING": NotifyRefused,
        "ONE_OF_LATER": NotifyRefused,
    }
    for code, kind in kinds.items():
        refused = notify_refused(code, "why")
        assert type(refused) is kind
        assert (refused.error_code, str(refused)) == (code, f"{code}: why")
