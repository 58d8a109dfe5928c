"""Questions to the admin address of a gateway, over HTTP; what goes wrong is one sentence that says what to do."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field, replace
from typing import Any

from quicgw_fast.config import join_address, split_address
from quicgw_fast.errors import StartupError

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to connect to from here, for an address that is listened on everywhere."""

_DOORS = (401, 403)
"""Statuses of who may not ask at all."""
_NO_PAGE = (404, 405)
_NO_PAGE_CODES = ("NO_SUCH_PAGE", "METHOD_NOT_ALLOWED")
_OTHER = "--admin names another address, --config the configuration that has it"


class NoAnswer(StartupError):
    """Nobody is there, or nobody answers in time."""


class NotLetIn(StartupError):
    """The gateway is there, and does not answer who asks."""


@dataclass(frozen=True, slots=True)
class AdminPages:
    """The admin pages of one gateway, and what is shown to them."""

    address: str
    token: str | None = field(repr=False)
    timeout: float
    """Seconds for one question."""

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """See ``ask_admin``."""
        return ask_admin(method, self.address, path, self.timeout, self.token, body=body)

    def text(self, path: str) -> tuple[int, str]:
        """See ``ask_for_text``."""
        return ask_for_text("GET", self.address, path, self.timeout, self.token)

    def of_workers(self, answer: Any) -> list[AdminPages]:
        """Return the pages of all workers of the machine, whose ports an answer names; these where it names none."""
        host, own = split_address(self.address)
        ports = answer.get("admin_ports", [own])
        return [replace(self, address=join_address(host, port)) for port in ports]

    def get(self, path: str) -> Any:
        """Return what a page says. Raises StartupError also where it refuses to say it."""
        status, answer = self.ask("GET", path)
        if status != 200:
            page = path.partition("?")[0]
            raise StartupError(f"the gateway at {self.address} does not answer {page}: {refusal(answer)}")
        return answer


def ask_admin(
    method: str, address: str, path: str, timeout: float, token: str | None = None, *, body: object = None
) -> tuple[int, Any]:
    """Return the status of the answer, and what it says as JSON.

    ``timeout`` in seconds; ``token`` is an operator's; ``body`` is sent as JSON.

    Raises StartupError when no gateway answers there, when it does not let us in, or when it has no such page.
    """
    status, said = ask_for_text(method, address, path, timeout, token, body=body)
    try:
        answer = json.loads(said)
    except ValueError as error:
        raise StartupError(_no_json(address, path, status, timeout)) from error
    if status in _NO_PAGE and _code_of(answer) in _NO_PAGE_CODES:
        raise StartupError(_too_old(address, path))
    return status, answer


def ask_for_text(
    method: str, address: str, path: str, timeout: float, token: str | None = None, *, body: object = None
) -> tuple[int, str]:
    """Ask as ``ask_admin`` does for a page that is no JSON."""
    host, port = split_address(address)
    connection = http.client.HTTPConnection(_HERE.get(host, host), port, timeout=timeout)
    headers = {"Connection": "close"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    where = join_address(host, port)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        status, said = answer.status, answer.read().decode(errors="replace")
    except http.client.HTTPException as error:
        told = f"what answers at {where} does not speak HTTP, so it is no admin page of a gateway"
        raise StartupError(f"{told}; {_OTHER}") from error
    except OSError as error:
        raise NoAnswer(
            f"no answer from the admin address {where}: {error.strerror or error}; is a gateway there? "
            "Give its address with --admin, or its configuration with --config"
        ) from error
    finally:
        connection.close()
    if status in _DOORS:
        told = f"{_without_hint(said)}; --token-file names one" if status == 401 else _sentence(said)
        raise NotLetIn(f"the gateway at {where} refuses: {told}")
    return status, said


def _sentence(said: str) -> str:
    """What a refusal says; those of older gateways are text."""
    try:
        return refusal(json.loads(said))
    except ValueError:
        return said.strip()


def _without_hint(said: str) -> str:
    """What a refusal says without its advice, for which the command has an option."""
    return _sentence(said).partition("; ")[0]


def _code_of(answer: Any) -> object:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error.get("code") if isinstance(error, dict) else None


def refusal(answer: Any) -> str:
    """Return why something was not done, and what to do, from the body of a gateway's answer."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if not isinstance(error, dict):
        return str(error)
    hint = error.get("hint")
    return f"{error.get('message', error)}" + (f"; {hint}" if hint else "")


def in_words_of_commands(answer: Any, meant: str = "") -> Any:
    """Return the answer about a session that is not there with the command to look with in place of the page."""
    if _code_of(answer) != "NOT_FOUND":
        return answer
    return no_session(answer["error"]["message"], meant)


def no_session(message: str, meant: str = "") -> dict[str, Any]:
    """Return the answer about a session that is not there; ``meant`` is how it was probably to be named."""
    hint = "quicgw sessions lists those that are there"
    asked = f"did you mean {meant}? {hint}" if meant else hint
    return {"error": {"code": "NOT_FOUND", "message": message, "hint": asked}}


def _no_json(address: str, path: str, status: int, timeout: float) -> str:
    page = path.partition("?")[0]
    if status in _NO_PAGE and is_gateway(address, timeout):
        return _too_old(address, path)
    told = f"what answers at {address} is no admin page of a gateway (status {status}, no JSON, for {page})"
    return f"{told}; {_OTHER}"


def _too_old(address: str, path: str) -> str:
    page = path.partition("?")[0]
    return f"the gateway at {address} has no page {page}: it is older than this command; update the gateway"


def is_gateway(address: str, timeout: float) -> bool:
    """Whether the admin pages of a gateway are there, which answer probes without a token."""
    try:
        return ask_for_text("GET", address, "/healthz", timeout) == (200, "ok\n")
    except StartupError:
        return False
