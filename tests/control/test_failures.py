"""What goes wrong on an admin page: whoever asked is told, and the log holds no more of it than it should."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quicgw_fast.control import Scope, overload_pages, session_pages, upstream_pages
from tests.control.doors import start_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

HEAD = "{} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"


class Nobody:
    """Knows no session, no instance and no limit."""

    async def kick(self, **_: str) -> int:
        return 0

    def drain(self, _: str, *, on: bool) -> bool:
        return on and False

    def change(self, tables: dict[str, Any]) -> None:
        raise AssertionError(tables)


async def broken(request: Request) -> Response:
    raise RuntimeError(f"surprise {request.query_params}")


async def reads(request: Request) -> Response:
    return JSONResponse(len(await request.body()))


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[str, int]]:
    nobody: Any = Nobody()
    pages = [
        *session_pages(nobody.kick, nobody, Scope(None)),
        *upstream_pages(nobody),
        *overload_pages(nobody),
        Route("/broken", broken),
        Route("/reads", reads, methods=["POST"]),
    ]
    server = await start_admin(pages)
    try:
        yield server.address
    finally:
        await server.stop()


async def ask(address: tuple[str, int], asked: str, body: bytes = b"") -> tuple[int, Any]:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(HEAD.format(asked, len(body)).encode() + body)
    async with asyncio.timeout(10.0):
        head, _, sent = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(sent)


@pytest.mark.parametrize("page", ["/sessions/kick", "/reads"])
async def test_who_breaks_off_in_the_middle_is_no_error(page: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with served() as address:
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(HEAD.format(f"POST {page}", 10).encode() + b"{")
                await writer.drain()
                writer.write_eof()
                async with asyncio.timeout(10.0):
                    assert not await reader.read()
                writer.close()
            assert (await ask(address, f"POST {page}", b"{}"))[0] in {200, 400}
    assert not caplog.records


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        ("POST /sessions/kick", {"\ud800": 1}),
        ("POST /sessions/kick", {"openid": "\udfff"}),
        ("POST /upstreams/drain", {"address": "\ud800", "on": True}),
        ("PATCH /overload", {"limits": {"a\ud800": [1]}}),
    ],
)
async def test_half_a_character_is_refused_with_a_sentence(
    asked: str, body: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with served() as address:
            status, told = await ask(address, asked, json.dumps(body).encode())
    assert status == 400
    assert "half of a surrogate pair" in json.dumps(told)
    assert not caplog.records


async def test_a_page_that_fails_says_so_and_writes_one_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with served() as address:
            for number in range(20):
                status, told = await ask(address, f"GET /broken?{number}")
                assert (status, list(told)) == (500, ["error"])
                assert (told["error"]["code"], "surprise" in str(told)) == ("PAGE_FAILED", False)
    (said,) = caplog.records
    assert said.getMessage() == "admin page failed"
    assert (vars(said)["page"], vars(said)["reason"]) == ("/broken", "RuntimeError: surprise 0=")
    assert said.exc_info is not None
    assert said.exc_info[0] is RuntimeError
