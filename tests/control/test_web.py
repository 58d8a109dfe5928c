"""The page at ``/`` as files: what is sent with them, who gets them, and that nothing in them leads elsewhere."""

from __future__ import annotations

import asyncio
import http.client
import re
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.control import web_pages
from quicgw_fast.control.pages.web import FOLDER, KINDS, POLICY
from tests.support.admin_stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.control import AdminServer

TOKEN = "token-of-the-operators"
FILES = sorted(path.name for path in FOLDER.iterdir())
PATHS = ["/", *(f"/web/{name}" for name in FILES if name != "index.html")]


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def ask(server: AdminServer, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        response.said = response.read()  # type: ignore[attr-defined]
        return response
    finally:
        connection.close()


async def test_every_file_is_served_with_its_kind_and_may_run_nothing_else() -> None:
    server = await StandIn.calm().start()
    try:
        for path in PATHS:
            answer = await asyncio.to_thread(ask, server, path)
            suffix = "." + path.rpartition(".")[2] if path != "/" else ".html"
            assert answer.status == 200, path
            assert answer.headers["content-type"].startswith(KINDS[suffix])
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers.get_all("cache-control") == ["no-cache"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'" in POLICY
    finally:
        await server.stop()


async def test_who_has_a_file_is_not_sent_it_again() -> None:
    server = await StandIn.calm().start()
    try:
        tag = (await asyncio.to_thread(ask, server, "/")).headers["etag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            answer = await asyncio.to_thread(ask, server, "/", if_none_match=known)
            assert (answer.status, answer.said, answer.headers["etag"]) == (304, b"", tag)  # type: ignore[attr-defined]
        assert (await asyncio.to_thread(ask, server, "/", if_none_match='"other"')).status == 200
    finally:
        await server.stop()


async def test_files_need_no_token_and_data_does(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN + "\n")
    tokens.chmod(0o600)
    server = await StandIn.calm().start(token_file=tokens)
    try:
        for path in PATHS:
            assert (await asyncio.to_thread(ask, server, path)).status == 200
            assert (await asyncio.to_thread(ask, server, path, "HEAD")).status == 200
        for path in ("/performance", "/sessions", "/web", "//", "/web/../stats", "/stats"):
            assert (await asyncio.to_thread(ask, server, path)).status in {401, 404}, path
        assert (await asyncio.to_thread(ask, server, "/stats")).status == 401
        assert (await asyncio.to_thread(ask, server, "/", "POST")).status == 401
        assert (await asyncio.to_thread(ask, server, "/performance", authorization=f"Bearer {TOKEN}")).status == 200
    finally:
        await server.stop()


@pytest.mark.parametrize("headers", [{"host": "elsewhere.example"}, {"origin": "http://elsewhere.example"}])
async def test_pages_of_others_get_no_file(headers: dict[str, str]) -> None:
    server = await StandIn.calm().start()
    try:
        for path in PATHS:
            assert (await asyncio.to_thread(ask, server, path, **headers)).status == 403
    finally:
        await server.stop()


async def test_nothing_outside_of_the_folder_is_a_file() -> None:
    server = await StandIn.calm().start()
    try:
        for path in ("/web/", "/web/../guard.py", "/web/%2e%2e/guard.py", "/web/index.html/x", "/index.html"):
            assert (await asyncio.to_thread(ask, server, path)).status == 404, path
    finally:
        await server.stop()


def test_every_file_is_asked_for_by_another_one_and_is_there() -> None:
    asked = set(re.findall(r'(?:href|src)="web/([^"]+)"', text("index.html")))
    for name in FILES:
        if name.endswith(".js"):
            asked |= set(re.findall(r'from "\./([^"]+)"', text(name)))
    assert asked | {"index.html"} == set(FILES)
    assert len(web_pages()) == len(FILES)


def test_no_script_and_no_style_is_inline_and_nothing_is_elsewhere() -> None:
    html = text("index.html")
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)
    for name in FILES:
        addresses = set(re.findall(r"https?://[^\s\"'`]+|\"//[^\"]+", text(name)))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text(name)), name


def test_files_can_be_read_in_one_go() -> None:
    assert {name: text(name).count("\n") for name in FILES if text(name).count("\n") > 420} == {}
