"""The reference of codes, made of ``codes.py`` and of the statuses of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.cli.plugin import PluginState
from quicgw_fast.client.errors import reply_error
from quicgw_fast.codes import OK, BindCode, CloseCode, ErrorCode, PushCode, RegisterCode, StoreCode
from tests.reference import cli

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD: Final = """# Codes

Every code by which gateway, clients, services and the command tell each other what happened. What exactly leads to each
of them is in the [protocol](../protocol.md).

| you see | look at |
|---|---|
| a reply that is not 200 | [replies](#replies-to-requests) |
| a connection that was closed | [closes](#closed-connections) |
| a push with `success` false | [pushes](#refused-pushes) |
| a registration with `success` false | [registrations](#refused-registrations) |
| a command that ended with another status than 0 | [statuses](#exit-statuses) |
"""
"""What comes before the tables."""
REPLIES: Final = f"""## Replies to requests

A request has exactly one reply (protocol §3). {OK} and whatever else a service answers (`code` of its BusinessResponse)
comes from the service; these come from the gateway. *Again*: whether the same request may succeed later. The SDK raises
the exception ([all](sdk.md)).
"""
CLOSES: Final = """## Closed connections

QUIC application error codes (protocol §6); the reason phrase begins with the name. One that you do not know is judged
by its range:

| range | a client |
|---|---|
| 0 | is done |
| 0x100 to 0x1ff | does not come back as it is: somebody, or another token, is needed first |
| 0x200 to 0x2ff | comes back as it is, with growing delays, and resumes |
| any other, also those of QUIC itself, and silence | comes back likewise |

The SDK does so by itself; what it cannot mend it raises as `ConnectionClosed`, with the code; `SUPERSEDED` as
`Superseded`, which is one, and `ALREADY_ONLINE` as `AlreadyOnline`, as START has an answer that says so.
"""
PUSHES: Final = """## Refused pushes

`error_code` of a push whose answer has `success` false (protocol §4): the client will not get that message. *Again*:
whether the same push may succeed later.
"""
REGISTRATIONS: Final = """## Refused registrations

`error_code` of `RegisterUpstream` (protocol §1). The last two are answers to `deregister`.
"""
STATUSES: Final = """## Exit statuses

Of every command but `quicgw check`:
"""
PLUGIN: Final = """Of `quicgw check`, as monitoring plug-ins have them:
"""
AFTER_REPLY: Final = {
    ErrorCode.BAD_REQUEST: "mend it; the message says what is wrong, for a number also which one is expected",
    ErrorCode.UNAUTHORIZED: "log in (`hello`), or get another token",
    ErrorCode.FORBIDDEN: "leave it: a newer connection of the client is there, or another client that stays "
    "(`error-code` `ALREADY_ONLINE`)",
    ErrorCode.TOO_LARGE: "send less: a message is at most 1 MiB, before START 4 KiB; the connection is closed as well",
    ErrorCode.RATE_LIMITED: "wait for `retry-after-ms` and send it again: it was not passed on",
    ErrorCode.FAILED: "ask again only if twice does no harm: the service may have done it",
    ErrorCode.OVERLOADED: "wait for `retry-after-ms` and send it again: it was not passed on",
    ErrorCode.DEADLINE_PASSED: "as for 500; or give it more time (`timeout-ms`, `processor.task_timeout`)",
}
"""What a client does about an error."""
AFTER_CLOSE: Final = {
    CloseCode.NORMAL: "nothing",
    CloseCode.AUTH_FAILED: "get another token, then come back",
    CloseCode.PROTOCOL_ERROR: "mend the client; the phrase says what it did",
    CloseCode.SUPERSEDED: "leave it: the openid connected elsewhere, and two that come back take turns for ever",
    CloseCode.KICKED: "tell its user; a new login begins a new session",
    CloseCode.TOKEN_EXPIRED: "get a new token, come back and resume; renew in time the next time",
    CloseCode.ALREADY_ONLINE: "tell its user; once the other client is gone, a START is taken",
    CloseCode.IDLE: "come back and resume; send heartbeats",
    CloseCode.OVERLOADED: "come back after `retry-after-ms`, if the phrase names it",
    CloseCode.DRAINING: "come back after `reconnect-after-ms`, to `reconnect-to` if the phrase names it",
    CloseCode.SLOW_CONSUMER: "come back and resume; acknowledge sooner",
    CloseCode.INTERNAL: "come back and resume; the gateway's log says what failed",
}
"""What a client does about the end of its connection."""


def page() -> str:
    """The whole page."""
    parts = [
        HEAD,
        REPLIES,
        _table(
            ("code", "name", "when", "again", "what to do", "exception"),
            (
                (f"{code}", code.name, code.sentence, _again(code), AFTER_REPLY[code], _exception(code))
                for code in ErrorCode
            ),
        ),
        CLOSES,
        _table(
            ("code", "name", "when", "come back", "what to do"),
            ((_hex(code), code.name, code.sentence, _again(code), AFTER_CLOSE[code]) for code in CloseCode),
        ),
        PUSHES,
        _table(("code", "again", "when"), (_word(code) for kind in (PushCode, BindCode, StoreCode) for code in kind)),
        REGISTRATIONS,
        _table(("code", "again", "when"), (_word(code) for code in RegisterCode)),
        STATUSES,
        f"{cli.statuses()}\n",
        PLUGIN,
        _table(("status", "name"), ((f"{state.value}", state.name) for state in PluginState)),
    ]
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    ruled = f"|{'---|' * len(head)}"
    first, *others = ("| " + " | ".join(row) + " |" for row in (head, *rows))
    return "\n".join([first, ruled, *others, ""])


def _word(code: PushCode | BindCode | StoreCode | RegisterCode) -> tuple[str, str, str]:
    return f"`{code.value}`", _again(code), code.sentence


def _again(code: ErrorCode | CloseCode | PushCode | BindCode | StoreCode | RegisterCode) -> str:
    return "yes" if code.retryable else "no"


def _hex(code: CloseCode) -> str:
    return f"{code:#x}" if code else "0"


def _exception(code: ErrorCode) -> str:
    name = type(reply_error(code)).__name__
    return f"[`{name}`](sdk.md#{name.lower()})"
