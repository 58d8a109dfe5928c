from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import uvloop

from quicgw_fast.control import AdminServer, drain_pages, health_pages, reload_pages, stats_pages
from quicgw_fast.errors import GatewayError, StartupError
from tests.control.doors import start_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Gateway:
    """What the admin pages ask."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.stats: dict[str, object] = {"processor": {"queue_length": 3}, "backend": "python"}


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def start(gateway: Gateway, port: int = 0) -> AdminServer:
    pages = [*health_pages(lambda: gateway.reason), *stats_pages(lambda: gateway.stats)]
    return await start_admin(pages, port=port)


@pytest_asyncio.fixture
async def admin(gateway: Gateway) -> AsyncIterator[AdminServer]:
    server = await start(gateway)
    yield server
    await server.stop()


def request(address: tuple[str, int], path: str, method: str = "GET") -> tuple[int, str, str]:
    """One HTTP request; returns status, content type and body."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read().decode()
    finally:
        connection.close()


async def get(server: AdminServer, path: str, method: str = "GET") -> tuple[int, str, str]:
    return await asyncio.to_thread(request, server.address, path, method)


async def test_healthz(admin: AdminServer) -> None:
    status, kind, body = await get(admin, "/healthz")
    assert (status, body) == (200, "ok\n")
    assert kind.startswith("text/plain")


async def test_readyz_gives_the_reason(admin: AdminServer, gateway: Gateway) -> None:
    assert await get(admin, "/readyz") == (200, "text/plain; charset=utf-8", "ready\n")
    gateway.reason = "draining"
    assert await get(admin, "/readyz") == (503, "text/plain; charset=utf-8", "draining\n")
    assert (await get(admin, "/healthz"))[0] == 200


async def test_stats_is_json_of_now(admin: AdminServer, gateway: Gateway) -> None:
    status, kind, body = await get(admin, "/stats")
    assert (status, kind, json.loads(body)) == (200, "application/json", gateway.stats)
    gateway.stats = {"changed": True}
    assert json.loads((await get(admin, "/stats"))[2]) == {"changed": True}


async def test_broken_stats_are_an_error_of_that_page_only(
    admin: AdminServer, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.stats = {"cannot": object()}
    assert (await get(admin, "/stats"))[0] == 500
    assert "not JSON serializable" in caplog.text
    assert (await get(admin, "/healthz"))[0] == 200


async def test_unknown_pages_and_methods(admin: AdminServer) -> None:
    assert (await get(admin, "/nothing"))[0] == 404
    assert (await get(admin, "/healthz", "POST"))[0] == 405
    assert await get(admin, "/healthz", "HEAD") == (200, "text/plain; charset=utf-8", "")


async def test_no_access_log(admin: AdminServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await get(admin, "/healthz")
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_busy_port_is_a_startup_error(admin: AdminServer, gateway: Gateway) -> None:
    with pytest.raises(StartupError, match=r"for the admin pages: Address already in use; .*server\.admin"):
        await start(gateway, admin.address[1])


async def test_signals_stay_with_the_host(gateway: Gateway) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = await start(gateway)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    await server.stop()


async def test_stop_frees_the_port_and_leaves_nothing(gateway: Gateway) -> None:
    before = asyncio.all_tasks()
    server = await start(gateway)
    await get(server, "/healthz")
    await server.stop()
    await server.stop()
    assert asyncio.all_tasks() == before
    with socket.socket() as sock:
        assert sock.connect_ex(server.address) != 0
    again = await start(gateway, server.address[1])
    assert (await get(again, "/healthz"))[0] == 200
    await again.stop()


async def test_stop_does_not_wait_for_idle_connections(gateway: Gateway) -> None:
    server = await start(gateway)
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    await asyncio.to_thread(connection.request, "GET", "/healthz")
    await asyncio.to_thread(lambda: connection.getresponse().read())
    async with asyncio.timeout(5.0):
        await server.stop()
    connection.close()


async def test_half_a_request_does_not_hold_up_the_stop(gateway: Gateway) -> None:
    server = await start(gateway)
    with socket.create_connection(server.address) as sock:
        sock.sendall(b"GET /heal")
        await get(server, "/healthz")
        async with asyncio.timeout(5.0):
            await server.stop()


async def test_failing_start_is_passed_on(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("no start")

    monkeypatch.setattr("uvicorn.Server.startup", broken)
    before = asyncio.all_tasks()
    with pytest.raises(RuntimeError, match="no start"):
        await start(gateway)
    assert asyncio.all_tasks() == before


def test_pages_under_uvloop(gateway: Gateway) -> None:
    async def scene() -> None:
        server = await start(gateway)
        assert (await get(server, "/healthz"))[0] == 200
        await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


# Reload


async def reloading(answer: object) -> tuple[int, str, str]:
    """POST /reload of a gateway that answers so."""

    async def reload() -> dict[str, object]:
        if isinstance(answer, Exception):
            raise answer
        return {"changed": answer}

    server = await start_admin(reload_pages(reload))
    try:
        assert (await get(server, "/reload"))[0] == 405
        return await get(server, "/reload", "POST")
    finally:
        await server.stop()


async def test_a_reload_answers_with_what_changed() -> None:
    status, kind, body = await reloading({"session.timeout": "x"})
    assert (status, kind, json.loads(body)) == (200, "application/json", {"changed": {"session.timeout": "x"}})


async def test_a_reload_that_is_refused_answers_why() -> None:
    status, _, body = await reloading(GatewayError("no such key"))
    error = json.loads(body)["error"]
    assert (status, error["code"], error["message"]) == (409, "NOT_RELOADED", "no such key")
    assert "checkconfig" in error["hint"]


async def test_a_drain_is_asked_for_as_often_as_anybody_likes() -> None:
    asked: list[int] = []
    server = await start_admin(drain_pages(lambda: asked.append(1), lambda: 32.5))
    for _ in range(2):
        status, _, body = await get(server, "/drain", "POST")
        assert (status, json.loads(body)) == (200, {"version": 1, "draining": True, "at_most": 32.5})
    assert (await get(server, "/drain"))[0] == 405
    await server.stop()
    assert len(asked) == 2


async def test_a_gateway_that_nobody_can_end_says_who_can() -> None:
    server = await start_admin(drain_pages(None, lambda: 0.0))
    status, _, body = await get(server, "/drain", "POST")
    assert (status, json.loads(body)["error"]["code"]) == (409, "EMBEDDED")
    await server.stop()
