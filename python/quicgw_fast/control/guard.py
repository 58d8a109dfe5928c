"""Who may ask for the admin pages: decided here for all of them, before any page is called.

Three could use them that should not. A stranger on the network: it has no token. A web page that an operator has open:
its requests carry its Origin. And such a page whose name was made to point here (DNS rebinding), so that its origin is
the same: its requests carry a Host that is none of ours. An address as Host is always taken: none can be made to point
elsewhere.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from quicgw_fast.config import is_loopback
from quicgw_fast.control.errors import failed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from quicgw_fast.control.refusals import Refusals
    from quicgw_fast.control.tokens import TokenSet

    Headers = list[tuple[bytes, bytes]]
    Refusal = tuple[str, Response]

TRUSTED: Final = "quicgw.trusted"
"""Key of the scope: whether whoever asks may know what is inside. False for probes alone, see ``PROBES``."""
PROBES: Final = frozenset({"/livez", "/healthz", "/readyz"})
"""Asked by load balancers, which have no token and any Host: they are answered, without a reason."""
WEB: Final = "/web/"
"""Below it are the files of the page at ``/``, which carry no data: a browser asks for them before it has a token."""
LARGEST_HEAD: Final = 16 << 10
"""Bytes of all headers."""
MOST_HEADERS: Final = 100
LARGEST_BODY: Final = 64 << 10
"""Bytes of what is sent to a page."""

_TOO_LARGE = f"the body of a request may have {LARGEST_BODY} bytes"
_CLOSE = {"connection": "close"}
_NOT_KEPT = (b"cache-control", b"no-store")
_NOT_GUESSED = (b"x-content-type-options", b"nosniff")


class AdminGuard:
    """Judges requests for ``tokens``, and for the ``hosts`` beside addresses and localhost."""

    def __init__(self, tokens: TokenSet, hosts: Callable[[], Collection[str]], refusals: Refusals) -> None:
        self._tokens = tokens
        self._hosts = hosts
        self._refusals = refusals

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application with the guard before it."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            refusal = _too_long(scope["headers"]) or self._judge(_by_name(scope["headers"]))
            scope[TRUSTED] = refusal is None
            if refusal is None or _is_open(scope, refusal[0]):
                await app(scope, _bounded(receive), _with_fixed(send))
                return
            reason, response = refusal
            self._refusals.note("admin", reason, _peer(scope))
            await response(scope, receive, _with_fixed(send))

        return guarded

    def page_failed(self, page: str, error: Exception) -> None:
        """Have it said in the log that a page raised what it should not."""
        self._refusals.page_failed(page, error)

    def _judge(self, headers: dict[bytes, list[str]]) -> Refusal | None:
        """Return the reason and the answer of a refusal; None lets it pass."""
        if b"transfer-encoding" in headers and b"content-length" in headers:
            # RFC 9112 §6.3: a server before this one may have read the other length, and the rest as a request.
            told = "a request has one length, and this one has two"
            return "request", failed(400, "BAD_REQUEST", told, "leave out Content-Length", _CLOSE)
        if any(_number(value) > LARGEST_BODY for value in headers.get(b"content-length", ())):
            return "request", failed(413, "TOO_LARGE", _TOO_LARGE, "send less, in several requests if need be", _CLOSE)
        (host,) = headers.get(b"host", [""])[:1]
        if not self._ours(host):
            told = f"{_shown(host)} is none of this gateway's names"
            return "host", failed(403, "WRONG_HOST", told, "ask for its address, or set control.admin_hosts")
        for origin in headers.get(b"origin", ()):
            if origin.lower() not in {f"http://{host.lower()}", f"https://{host.lower()}"}:
                told = f"pages of {_shown(origin)} may not use this gateway"
                return "origin", failed(403, "WRONG_ORIGIN", told, "ask without a browser, or from the gateway's page")
        if not any(self._tokens.take(value) for value in headers.get(b"authorization", [""])):
            shown = "a token that is none of the gateway's" if b"authorization" in headers else "no token"
            hint = "send the header `Authorization: Bearer …` with one of control.admin_token_file"
            told = f"the gateway asks for a token, and the request has {shown}"
            return "token", failed(401, "TOKEN_NEEDED", told, hint, {"www-authenticate": "Bearer"})
        return None

    def _ours(self, host: str) -> bool:
        """Whether a Host is one of ours, whatever its port. HTTP/1.0, which no browser speaks, needs none."""
        if not host:
            return True
        if host.startswith("["):
            address, closed, port = host[1:].partition("]")
            # A zone is of this machine alone and in no Host (RFC 6874 §4); in it could stand anything.
            is_one = ":" in address and "%" not in address and _is_address(address)
            return bool(closed) and is_one and _is_port(port)
        name, colon, port = host.partition(":")
        if not _is_port(colon + port):
            return False
        name = name.lower().removesuffix(".")
        return _is_address(name) or is_loopback(name) or name in self._hosts()


def _is_open(scope: Scope, refused_for: str) -> bool:
    """Whether a request is answered although it would be refused."""
    if scope["method"] not in {"GET", "HEAD"}:
        return False
    path = scope["path"]
    return path in PROBES or (refused_for == "token" and (path == "/" or path.startswith(WEB)))


def _by_name(headers: Headers) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value.decode("latin-1"))
    return found


def _too_long(headers: Headers) -> Refusal | None:
    if len(headers) <= MOST_HEADERS and sum(len(name) + len(value) for name, value in headers) <= LARGEST_HEAD:
        return None
    told = f"a request may have {MOST_HEADERS} headers in {LARGEST_HEAD} bytes"
    return "request", failed(431, "TOO_LARGE", told, "leave some out; cookies of other pages count", _CLOSE)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_port(written: str) -> bool:
    """Whether it is nothing, or a colon and at most a number (RFC 3986 §3.2.3)."""
    return not written or (written[0] == ":" and written.isascii() and (written == ":" or written[1:].isdigit()))


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0


def _shown(value: str) -> str:
    return ascii(value[:128])


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _bounded(receive: Receive) -> Receive:
    """Hand on at most ``LARGEST_BODY`` bytes, also of a body that tells no length; raises HTTPException beyond."""
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY:
            raise HTTPException(413, _TOO_LARGE, _CLOSE)
        return message

    return receive_bounded


def _with_fixed(send: Send) -> Send:
    async def send_with_fixed(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = message["headers"]
            kept = any(name == b"cache-control" for name, _ in said)
            message["headers"] = [*said, _NOT_GUESSED, *([] if kept else [_NOT_KEPT])]
        await send(message)

    return send_with_fixed
