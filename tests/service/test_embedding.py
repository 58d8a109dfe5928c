"""A service within a program that does other things, too, and what it needs of packages."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from quicgw_fast.client import connect
from quicgw_fast.service import Service
from quicgw_fast.service.logs import log_to_standard_error
from tests.service.conftest import PATIENCE
from tests.support.gateway_process import SOURCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from starlette.requests import Request as WebRequest
    from starlette.types import Message

    from tests.service.conftest import MakeGateway

WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Without())
import quicgw_fast.service
print(sorted(name for name in sys.modules if name.startswith("quicgw_fast.") and name.count(".") == 1))
"""


def import_without(*names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_needs_nothing_of_the_gateway() -> None:
    done = import_without("pydantic", "aioquic", "cryptography", "structlog", "starlette", "typer", "uvicorn", "rich")
    assert done.stdout.split() == [
        "['quicgw_fast.codes',", "'quicgw_fast.errors',", "'quicgw_fast.files',", "'quicgw_fast.proto',",
        "'quicgw_fast.service']",
    ], done.stderr  # fmt: skip


def test_without_its_packages_it_says_what_to_install() -> None:
    told = import_without("grpc").stderr.splitlines()[-1]
    assert told.endswith('quicgw_fast.service needs grpc: pip install "quicgw-fast[service]"')


async def test_in_a_web_application(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway()
    service = Service("hello", gateway=gateway.addresses.grpc)
    service.hello(lambda: None)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with service.running() as running:
            await running.registered(PATIENCE)
            yield

    async def mail(request: WebRequest) -> JSONResponse:
        told = await service.push("mail", openid=request.path_params["openid"])
        return JSONResponse({"outcome": told.outcome})

    app = Starlette(routes=[Route("/mail/{openid}", mail)], lifespan=lifespan)
    async with app.router.lifespan_context(app):  # noqa: SIM117 - the client comes when the program has started
        async with connect(gateway.addresses.quic, openid="alice", insecure=True) as client:
            sent: list[Message] = []

            async def receive() -> Message:
                return {"type": "http.request"}

            async def send(message: Message) -> None:
                sent.append(message)

            scope = {"type": "http", "method": "GET", "path": "/mail/alice", "headers": [], "query_string": b""}
            await app(scope, receive, send)
            assert sent[1]["body"] == b'{"outcome":"sent"}'
            assert (await client.next_notify(PATIENCE)).type == "mail"


def test_lines_for_people_and_for_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    root, ours = logging.getLogger(), logging.getLogger("quicgw")
    for terminal in (True, False):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        for logger in (root, ours):
            monkeypatch.setattr(logger, "handlers", [])
        log_to_standard_error()
        log_to_standard_error()
        try:
            raise KeyError("x")
        except KeyError:
            logging.getLogger("quicgw.service").exception("handler failed", extra={"action": "a b"})
        if terminal:
            first, *rest = stream.getvalue().splitlines()
            assert first.endswith("error   handler failed  action='a b'")
            assert rest[0].startswith("Traceback")
        else:
            (line,) = stream.getvalue().splitlines()
            told = json.loads(line)
            assert (told["event"], told["action"], told["level"]) == ("handler failed", "a b", "error")
            assert "KeyError" in told["exception"]
        ours.setLevel(logging.NOTSET)
