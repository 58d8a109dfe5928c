"""How answers and notifies are shown, to people and to programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quicgw_fast.cli.printing import JsonPrinter, Printer, TextPrinter
from quicgw_fast.client import CallTimeout, ConnectionFailed, Notify, Reply, ReplyError

if TYPE_CHECKING:
    import pytest

REPLY = Reply(200, "o\x1bk", b"body\n\x1b[2J", {"zone": "1", "gid": "g\n"}, 2)
NOTIFY = Notify(b"\xff", "[mail] title", "mail", "title", "content", {"notify-type": "mail"}, 3)
REFUSED = ReplyError(503, "queue full", "later", {"retry-after-ms": "1000"})
NUMBERED = ReplyError(504, "deadline passed")
NUMBERED.seq_id = 4


def show_all(printer: Printer) -> None:
    printer.reply(REPLY)
    printer.notify(NOTIFY)
    printer.error(REFUSED, "START was refused")
    printer.error(NUMBERED)
    printer.error(CallTimeout("echo", 2.0))
    printer.error(ConnectionFailed("nobody\nthere"), "at home")
    printer.closed("the gateway\nleft")


def test_people_see_harmless_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_all(TextPrinter())
    assert capsys.readouterr().out.splitlines() == [
        "reply 2 200 o\\x1bk",
        "  gid: g\\n",
        "  zone: 1",
        "body",
        "\\x1b[2J",
        "notify 3 [mail] title",
        "(1 bytes) ff",
        "error 503 queue full: later (START was refused)",
        "  retry-after-ms: 1000",
        "error 4 504 deadline passed",
        "error no reply to 'echo' within 2 s",
        "error nobody\\nthere (at home)",
        "the gateway\\nleft",
    ]


def test_programs_get_an_object_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    show_all(JsonPrinter())
    reply, notify, refused, numbered, late, failed, closed = map(json.loads, capsys.readouterr().out.splitlines())
    assert reply == {
        "kind": "reply",
        "version": 1,
        "code": 200,
        "message": "o\x1bk",
        "seq_id": 2,
        "headers": {"zone": "1", "gid": "g\n"},
        "data": "body\n\x1b[2J",
    }
    assert notify == {
        "kind": "notify",
        "version": 1,
        "seq_id": 3,
        "message": "[mail] title",
        "type": "mail",
        "title": "title",
        "content": "content",
        "headers": {"notify-type": "mail"},
        "data_hex": "ff",
    }
    assert refused == error(
        503, "queue full", detail="later", headers={"retry-after-ms": "1000"}, about="START was refused"
    )
    assert numbered == error(504, "deadline passed", seq_id=4)
    assert late == error(0, "no reply to 'echo' within 2 s")
    assert failed == error(0, "nobody\nthere", about="at home")
    assert closed == {"kind": "closed", "version": 1, "message": "the gateway\nleft"}


def error(code: int, message: str, **more: Any) -> dict[str, Any]:
    fields = {"code": code, "message": message, "detail": "", "headers": {}, "seq_id": 0}
    return {"kind": "error", "version": 1, **fields, **more}
