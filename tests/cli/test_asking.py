from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.asking import ask_admin, refusal
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.process import Gateway


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[str]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Website(BaseHTTPRequestHandler):
    """Some other program."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path != "/" else 200)
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")

    def log_message(self, *arguments: object) -> None:
        pass


class Parrot(socketserver.StreamRequestHandler):
    """Speaks, but no HTTP."""

    def handle(self) -> None:
        self.wfile.write(b"220 mail.example ready\r\n")


def test_another_program_has_the_port() -> None:
    with serving(HTTPServer(("127.0.0.1", 0), Website)) as address:
        for path in ("/", "/sessions?limit=3"):
            with pytest.raises(StartupError, match=f"what answers at {address} is no admin page of a gateway"):
                ask_admin("GET", address, path, 5)


def test_something_that_speaks_no_http_has_the_port() -> None:
    with (
        serving(socketserver.TCPServer(("127.0.0.1", 0), Parrot)) as address,
        pytest.raises(StartupError, match=r"does not speak HTTP.*--admin"),
    ):
        ask_admin("GET", address, "/stats", 5)


def test_an_older_gateway_without_the_page(dev: Gateway) -> None:
    with pytest.raises(StartupError, match="has no page /of/tomorrow: it is older than this command; update"):
        ask_admin("GET", dev.admin, "/of/tomorrow?q=1", 5)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "no such session"}, "no such session"),
        ({"error": {"code": "X", "message": "no such session", "hint": "list them"}}, "no such session; list them"),
        ({"error": {"code": "X", "message": "no"}}, "no"),
        ("what", "what"),
    ],
)
def test_what_a_gateway_refuses_is_told_with_what_to_do(answer: object, told: str) -> None:
    assert refusal(answer) == told
