"""Who may ask for the admin pages: tokens, names that point here, pages of others, and requests that are two."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, NamedTuple

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from quicgw_fast.control import health_pages
from quicgw_fast.observe import Metrics
from tests.control.doors import access_of, start_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

TOKEN = "token-of-the-operators"


class Answer(NamedTuple):
    status: int
    head: str
    body: str


class Doors:
    """Admin pages, and requests to them byte by byte."""

    def __init__(self, address: tuple[str, int], metrics: Metrics) -> None:
        self.address = address
        self.metrics = metrics

    async def say(self, data: bytes, *more: bytes) -> Answer:
        """Send bytes, and ``more`` a little later; return the first answer."""
        reader, writer = await asyncio.open_connection(*self.address)
        async with asyncio.timeout(10.0):
            writer.write(data)
            for part in more:
                await writer.drain()
                writer.write(part)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
            body = (await reader.readexactly(length)).decode()
            writer.close()
        return Answer(int(head.split()[1]), head, body)

    async def ask(self, path: str = "/inside", *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
        """One request with these headers, ``Host`` is ours unless it is among them."""
        host = () if any(header.lower().startswith("host:") for header in headers) else ("Host: 127.0.0.1",)
        length = (f"Content-Length: {len(body)}",) if body else ()
        lines = "\r\n".join((f"{method} {path} HTTP/1.1", *host, *headers, *length, "", ""))
        return await self.say(lines.encode() + body)

    def refused(self, reason: str) -> int:
        return int(self.metrics.count("control_refused", "admin", reason))


async def inside(_: Request) -> Response:
    return PlainTextResponse("the inside")


async def change(request: Request) -> Response:
    return PlainTextResponse(f"changed by {len(await request.body())} bytes")


@contextlib.asynccontextmanager
async def doors(reason: str | None = None, **control: object) -> AsyncIterator[Doors]:
    pages = [*health_pages(lambda: reason), Route("/inside", inside), Route("/change", change, methods=["POST"])]
    metrics = Metrics()
    server = await start_admin(pages, access=access_of(**control), metrics=metrics)
    yield Doors(server.address, metrics)
    await server.stop()


# Host: names that point here


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "LOCALHOST:1", "localhost.", "[::1]:8080", "[::1]", "127.9.9.9", "gw.test:80"],
)
async def test_it_may_be_asked_for_by_address_and_by_its_names(host: str) -> None:
    async with doors(admin_hosts=["GW.test"]) as at:
        assert (await at.ask("/inside", f"Host: {host}")).body == "the inside"
        assert at.refused("host") == 0


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "x",
        "[evil]",
        "a b",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[::ffff:127.0.0.1]x",
        "[127.0.0.1]",
        "[::1%evil.test]",
        "[fe80::1%25lo]:8080",
        "localhost:80:90",
        "127.0.0.1:x",
    ],
)
async def test_a_name_that_somebody_else_made_point_here_is_refused(host: str) -> None:
    async with doors() as at:
        answer = await at.ask("/inside", f"Host: {host}")
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (403, "WRONG_HOST")
        assert error["message"] == f"'{host}' is none of this gateway's names"
        assert at.refused("host") == 1


async def test_two_hosts_or_none_are_no_request() -> None:
    async with doors() as at:
        assert (await at.ask("/inside", "Host: 127.0.0.1", "Host: evil.test")).status == 400
        assert (await at.say(b"GET /inside HTTP/1.1\r\n\r\n")).status == 400
        assert (await at.say(b"GET /inside HTTP/1.0\r\n\r\n")).body == "the inside"


# Origin: pages of others


async def test_pages_of_others_may_use_nothing() -> None:
    async with doors() as at:
        for origin in (
            "http://evil.test",
            "null",
            "http://127.0.0.1:81",
            "file://",
            "http://127.0.0.1.evil.test",
        ):
            for path, method in (("/inside", "GET"), ("/change", "POST")):
                answer = await at.ask(path, f"Origin: {origin}", method=method)
                assert answer.status == 403, origin
                assert "access-control" not in answer.head.lower()
        assert at.refused("origin") == 10
        for host in ("127.0.0.1:80", "localhost"):
            answer = await at.ask("/change", f"Host: {host}", f"Origin: http://{host}", method="POST")
            assert answer.status == 200
        preflight = await at.ask("/change", "Access-Control-Request-Method: POST", method="OPTIONS")
        assert (preflight.status, "access-control" in preflight.head.lower()) == (405, False)


# Tokens


async def test_a_request_needs_a_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    async with doors(admin_token_file=tmp_path / "tokens") as at:
        for headers in (
            (),
            ("Authorization: Bearer",),
            (f"Authorization: Basic {TOKEN}",),
            ("Authorization: Bearer x",),
        ):
            answer = await at.ask("/inside", *headers)
            assert answer.status == 401
            assert "www-authenticate: bearer" in answer.head.lower()
            assert TOKEN not in answer.head + answer.body
        assert (await at.ask("/nothing")).status == 401, "whether there is such a page is nobody's business"
        assert (await at.ask("/inside", f"Authorization: Bearer {TOKEN}")).body == "the inside"
        assert at.refused("token") == 5


async def test_probes_need_no_token_and_learn_no_reason(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    async with doors("127.0.0.1:9001: nothing listens", admin_token_file=tmp_path / "tokens") as at:
        assert (await at.ask("/healthz")).body == "ok\n"
        assert (await at.ask("/readyz", "Host: balancer.test"))[::2] == (503, "not ready\n")
        told = await at.ask("/readyz", f"Authorization: Bearer {TOKEN}")
        assert told[::2] == (503, "127.0.0.1:9001: nothing listens\n")
        assert (await at.ask("/healthz", method="POST")).status == 401
        assert at.refused("token") == 1, "a probe is no refusal"


# Requests


async def test_an_answer_is_kept_by_nobody_and_read_as_what_it_is() -> None:
    async with doors() as at:
        for path in ("/inside", "/nothing", "/healthz"):
            head = (await at.ask(path)).head.lower()
            assert "cache-control: no-store\r\n" in head
            assert "x-content-type-options: nosniff\r\n" in head
            assert "server:" not in head


async def test_a_page_with_a_slash_behind_it_is_not_there_and_leads_nowhere() -> None:
    async with doors() as at:
        answer = await at.ask("/inside/")
        assert (answer.status, "location" in answer.head.lower()) == (404, False)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400),
        (b"Content-Length: +4\r\n\r\nabcd", 400),
        (b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"X: " + b"x" * (17 << 10) + b"\r\n\r\n", 431),
        (b"X: x\r\n" * 101 + b"\r\n", 431),
        (b"Content-Length: 65537\r\n\r\n", 413),
        (b"Content-Length: 4\r\n\r\nabcd", 200),
    ],
    ids=[
        "two lengths",
        "two other lengths",
        "a sign",
        "gzip",
        "a space",
        "a long head",
        "many headers",
        "a long body",
        "honest",
    ],
)
async def test_requests_that_could_be_read_in_two_ways_or_are_too_large(said: bytes, status: int) -> None:
    async with doors() as at:
        answer = await at.say(b"POST /change HTTP/1.1\r\nHost: 127.0.0.1\r\n" + said)
        assert answer.status == status, answer
        assert status != 200 or answer.body == "changed by 4 bytes"
        assert status == 200 or "connection: close" in answer.head.lower()
        assert (await at.ask()).body == "the inside"


async def test_a_body_without_a_length_is_read_up_to_the_limit() -> None:
    head = b"POST /change HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    async with doors() as at:
        assert (await at.say(head, chunk, chunk, chunk, chunk, b"0\r\n\r\n")).body == "changed by 65536 bytes"
        assert (await at.say(head, chunk, chunk, chunk, chunk, chunk)).status == 413
