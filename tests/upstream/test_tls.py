"""Services that are called over TLS, and how it is told what is wrong with it; the same from every maker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from quicgw_fast.config import RoutingConfig, UpstreamConfig, split_address
from quicgw_fast.errors import SettingError
from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest, UpstreamRequest
from quicgw_fast.upstream import Upstream, UpstreamCallError, causes
from tests.support import strangers
from tests.support.authority import Authority
from tests.support.raw_upstream import RawUpstream
from tests.upstream.conftest import side_of, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import grpc

    from quicgw_fast.upstream.seam import OpenChannel

    Serve = Callable[..., Awaitable[RawUpstream]]
    SideFor = Callable[..., Upstream]

CALL = UpstreamRequest(action="x")
OURS, OTHERS = Authority("ours"), Authority("others")


def files(folder: Path, authority: Authority = OURS, shown: dict[str, bytes] | None = None) -> dict[str, Path]:
    """The settings that name what is in the folder then: an authority, and a certificate that is shown."""
    found = {"ca": authority.write(folder)}
    for key, pem in (shown or {}).items():
        found[key] = folder / f"gateway.{key}"
        found[key].write_bytes(pem)
        found[key].chmod(0o600)
    return found


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start services with credentials of theirs."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(tls: grpc.ServerCredentials | None, address: str = "127.0.0.1:0") -> RawUpstream:
            server = RawUpstream()
            await server.start(address, tls)
            stack.push_async_callback(server.stop)
            return server

        yield start


@pytest_asyncio.fixture
async def side_with(open_channel: OpenChannel) -> AsyncIterator[SideFor]:
    made = []

    def make(*addresses: str, **settings: Any) -> Upstream:
        made.append(side_of(UpstreamConfig(hello=addresses, **settings), open_channel=open_channel))
        return made[-1]

    yield make
    for side in made:
        await side.close()


async def why_not(side: Upstream) -> str:
    """Why the only instance is down: the same in the failure of a call, in /stats and for /readyz."""
    (instance,) = side.directory.instances()
    await until(lambda: instance.tried)
    with pytest.raises(UpstreamCallError) as failed:
        await side.caller.call(CALL, 5.0)
    told: Any = side.report()[0]["reason"]
    assert getattr(failed.value, "cause", None) == told
    assert side.readiness.reason() == f"no instance of hello is in service ({instance.address}: {told})"
    return str(told)


async def test_a_service_that_proves_who_it_is_is_called(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    server = await serve(OURS.service())
    side = side_with(server.address, **files(tmp_path))
    assert (await side.caller.call(UpstreamRequest(action="x", data=b"y" * 300_000), 5.0)).data == b"y" * 300_000
    (instance,) = side.directory.instances()
    assert await side.channels.lives(instance, 5.0)


async def test_a_name_is_what_the_certificate_has_to_carry(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    server = await serve(OURS.service("localhost"))
    side = side_with(f"localhost:{split_address(server.address)[1]}", **files(tmp_path))
    assert (await side.caller.call(CALL, 5.0)).code == 200
    assert server.seen


async def test_the_name_may_be_set_for_all(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    server = await serve(OURS.service("services.internal"))
    named = files(tmp_path)
    assert (
        await side_with(server.address, **named, server_name="services.internal").caller.call(CALL, 5.0)
    ).code == 200
    assert await why_not(side_with(server.address, **named, server_name="other.internal")) == causes.OTHER_NAME


@pytest.mark.parametrize(
    ("tls", "cause"),
    [
        (OTHERS.service(), causes.NOT_TRUSTED),
        (OURS.service(days=(-30, -1)), causes.EXPIRED),
        (OURS.service(days=(1, 30)), causes.NOT_YET_VALID),
        (None, causes.NO_TLS),
        (OURS.service(clients=OTHERS), causes.REFUSED_TLS),
    ],
    ids=["other authority", "expired", "not yet valid", "in the open", "wants a certificate"],
)
async def test_what_is_wrong_is_told_and_nothing_is_sent(
    tls: grpc.ServerCredentials | None, cause: str, serve: Serve, side_with: SideFor, tmp_path: Path
) -> None:
    server = await serve(tls)
    side = side_with(server.address, **files(tmp_path))
    assert await why_not(side) == cause
    assert not server.seen


async def test_a_name_that_the_certificate_lacks_is_told(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    server = await serve(OURS.service("elsewhere"))
    side = side_with(f"localhost:{split_address(server.address)[1]}", **files(tmp_path))
    await until(lambda: causes.OTHER_NAME in {instance.reason for instance in side.directory.instances()})
    with pytest.raises(UpstreamCallError):
        await side.caller.call(CALL, 5.0)
    assert not server.seen


@pytest.mark.parametrize(
    ("stranger", "cause"), [(strangers.nothing, causes.NOTHING_LISTENS), (strangers.silent, causes.NO_ANSWER)]
)
async def test_what_else_is_wrong_is_told_as_ever(
    stranger: Callable[[], contextlib.AbstractContextManager[str]], cause: str, side_with: SideFor, tmp_path: Path
) -> None:
    with stranger() as address:
        assert await why_not(side_with(address, **files(tmp_path))) == cause


async def test_a_service_may_ask_for_the_gateways_certificate(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    server = await serve(OURS.service(clients=OTHERS))
    side = side_with(server.address, **files(tmp_path, shown=OTHERS.client("gateway")))
    assert (await side.caller.call(CALL, 5.0)).code == 200
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    assert await why_not(side_with(server.address, **files(wrong, shown=OURS.client("gateway")))) == causes.REFUSED_TLS


async def test_who_registers_itself_has_to_prove_it_as_well(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    open_one, good = await serve(None), await serve(OURS.service())
    side = side_with(**files(tmp_path))
    refused = await side.registration.register(UpstreamRegisterRequest(address=open_one.address, service_name="hello"))
    assert causes.NO_TLS in refused.message
    taken = await side.registration.register(UpstreamRegisterRequest(address=good.address, service_name="hello"))
    assert taken.message == "registered for hello"
    assert (await side.caller.call(CALL, 5.0)).code == 200
    assert good.seen
    assert not open_one.seen


async def test_other_files_are_taken_while_calls_are_under_way(
    serve: Serve, side_with: SideFor, tmp_path: Path
) -> None:
    server = await serve(OURS.service(clients=OTHERS))
    before = files(tmp_path, shown=OTHERS.client("gateway"))
    side = side_with(server.address, **before)
    gate = server.hold("slow")
    slow = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow"), 20.0))
    await server.wait_requests(1)

    async def take(**settings: Any) -> None:
        config = UpstreamConfig(hello=(server.address,), **settings)
        (await side.prepare(config, RoutingConfig(replace_defaults=True, default="hello")))()

    # The gateway's certificate is another one: connections are made anew, and what was under way is answered.
    (instance,) = side.directory.instances()
    await take(**files(tmp_path, shown=OTHERS.client("gateway")))
    assert (await side.caller.call(CALL, 5.0)).code == 200
    first, second = server.seen
    assert first.peer != second.peer
    # An authority that does not know the service: nothing goes out any more.
    await take(**files(tmp_path, OTHERS, OTHERS.client("gateway")))
    await until(lambda: not instance.healthy)
    assert await why_not(side) == causes.NOT_TRUSTED
    seen = len(server.seen)
    # And back, while the first call is still under way over the first connection.
    await take(**files(tmp_path, OURS, OTHERS.client("gateway")))
    await until(lambda: instance.healthy)
    assert (await side.caller.call(CALL, 5.0)).code == 200
    gate.open()
    assert (await slow).code == 200
    assert len(server.seen) == seen + 1
    assert instance.in_flight == 0


async def test_the_same_files_leave_connections_alone(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    server = await serve(OURS.service())
    settings: dict[str, Any] = files(tmp_path)
    side = side_with(server.address, **settings)
    assert (await side.caller.call(CALL, 5.0)).code == 200
    config = UpstreamConfig(hello=(server.address,), **settings)
    (await side.prepare(config, RoutingConfig(replace_defaults=True, default="hello")))()
    assert side.directory.instances()[0].connected


async def test_a_renewed_service_is_found_again(serve: Serve, side_with: SideFor, tmp_path: Path) -> None:
    server = await serve(OURS.service())
    side = side_with(server.address, **files(tmp_path))
    assert (await side.caller.call(CALL, 5.0)).code == 200
    await server.stop()
    again = await serve(OURS.service(), server.address)
    await until(lambda: side.directory.instances()[0].connected)
    assert (await side.caller.call(CALL, 5.0)).code == 200
    assert again.seen


def test_files_that_cannot_be_used_are_found_beforehand(tmp_path: Path) -> None:
    named = files(tmp_path, shown=OURS.client("gateway"))
    for key, told in (("ca", "no certificates of authorities"), ("cert", "are not a certificate and its key")):
        broken = tmp_path / "broken.pem"
        broken.write_bytes(b"nonsense")
        with pytest.raises(SettingError, match=told) as refused:
            side_of(UpstreamConfig(**{**named, key: broken}))  # type: ignore[arg-type]
        assert refused.value.key == ("upstream", key)
    with pytest.raises(SettingError, match=r"cannot read .*none.pem: No such file"):
        side_of(UpstreamConfig(ca=tmp_path / "none.pem"))
