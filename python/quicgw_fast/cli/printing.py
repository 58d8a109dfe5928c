"""How answers and notifies are shown: for people, or as one JSON object per line for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from quicgw_fast.cli.failing import nobody_answered
from quicgw_fast.cli.tables import VERSION
from quicgw_fast.client import ReplyError
from quicgw_fast.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.client import Notify, QuicgwClientError, Reply


class Printer(Protocol):
    """Shows what comes, in the order in which it is told."""

    def reply(self, reply: Reply) -> None:
        """Show a service's answer, whatever its code."""

    def error(self, error: QuicgwClientError, about: str = "") -> None:
        """Show an error of the gateway, or that no answer came in time."""

    def notify(self, notify: Notify) -> None:
        """Show a notify."""

    def closed(self, why: str) -> None:
        """Show that the connection ended after the answer."""


class TextPrinter:
    """For people: what matters first, data as text where it is text."""

    def reply(self, reply: Reply) -> None:
        """Show a service's answer, whatever its code."""
        _say(f"reply {reply.seq_id} {reply.code} {_line(reply.message)}", *_body(reply.data, reply.headers))

    def error(self, error: QuicgwClientError, about: str = "") -> None:
        """Show an error of the gateway, or that no answer came in time."""
        number = f"{error.seq_id} " if isinstance(error, ReplyError) and error.seq_id else ""
        headers = error.headers if isinstance(error, ReplyError) else {}
        _say(f"error {number}{_line(str(error))}" + (f" ({about})" if about else ""), *_body(b"", headers))

    def notify(self, notify: Notify) -> None:
        """Show a notify."""
        _say(f"notify {notify.seq_id} {_line(notify.message)}", *_body(notify.data, {}))

    def closed(self, why: str) -> None:
        """Show that the connection ended after the answer."""
        _say(_line(why))


class JsonPrinter:
    """For programs: ``kind`` is reply, error, notify or closed; ``data`` is text, else ``data_hex`` has its bytes."""

    def reply(self, reply: Reply) -> None:
        """Show a service's answer, whatever its code."""
        fields = {"code": reply.code, "message": reply.message, "seq_id": reply.seq_id, "headers": reply.headers}
        say_json("reply", {**fields, **_json_data(reply.data)})

    def error(self, error: QuicgwClientError, about: str = "") -> None:
        """Show an error of the gateway, or that no answer came in time."""
        if isinstance(error, ReplyError):
            fields = {"code": error.code, "message": error.message, "detail": error.detail, "headers": error.headers}
            fields["seq_id"] = error.seq_id
        else:
            fields = nobody_answered(str(error))
        say_json("error", {**fields, "about": about} if about else fields)

    def notify(self, notify: Notify) -> None:
        """Show a notify."""
        fields = {
            "seq_id": notify.seq_id,
            "message": notify.message,
            "type": notify.type,
            "title": notify.title,
            "content": notify.content,
            "headers": notify.headers,
        }
        say_json("notify", {**fields, **_json_data(notify.data)})

    def closed(self, why: str) -> None:
        """Show that the connection ended after the answer."""
        say_json("closed", {"message": why})


def _say(*lines: str) -> None:
    # At once: a prompt below them would be drawn anew in between.
    print("\n".join(lines), flush=True)


def _body(data: bytes, headers: Mapping[str, str]) -> list[str]:
    lines = [f"  {_line(name)}: {_line(headers[name])}" for name in sorted(headers)]
    return [*lines, _text(data)] if data else lines


def say_json(kind: str, fields: dict[str, Any]) -> None:
    """Print one object."""
    _say(json.dumps({"kind": kind, "version": VERSION, **fields}))


def _json_data(data: bytes) -> dict[str, str]:
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data_hex": data.hex()}


def _line(text: str) -> str:
    """Make one harmless line: what a service sends must not move the terminal's cursor."""
    return printable(text, None)


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"({len(data)} bytes) {data.hex()}"
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
