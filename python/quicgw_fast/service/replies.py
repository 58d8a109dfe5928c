"""What a handler answers, and what its return value means where it is no ``Answer``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quicgw_fast.codes import OK
from quicgw_fast.service.bodies import NoBody, encode_data


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request, with all that it may have. ``data`` is what ``Request.data`` takes on its way back."""

    data: object = b""
    code: int = OK
    message: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to ``hello`` that logs in: code 200, with the zone and the gid of the player (protocol §2).

    Both may be left out. ``zone`` is a whole number; pushes to a ``gid`` go to the newest session that got it.
    """

    zone: int | None = None
    gid: str | None = None
    message: str = "welcome"
    data: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_reply(self) -> Answer:
        """Put zone and gid into the headers."""
        named = {} if self.zone is None else {"zone": str(self.zone)}
        if self.gid is not None:
            named["gid"] = self.gid
        return Answer(self.data, message=self.message, headers={**self.headers, **named})


@dataclass(frozen=True, slots=True)
class FinishedReply:
    """A reply as it goes to the gateway: checked, and its data bytes."""

    code: int
    message: str
    data: bytes
    headers: Mapping[str, str]


class ImpossibleReply(TypeError):
    """A handler returned what is no answer; the text says what it was, and what may be returned."""


def finish(value: object) -> FinishedReply:
    """Return the reply that a handler's return value means; raises ImpossibleReply.

    A ``Answer`` or ``Welcome`` as it says; ``(code, data)`` and ``(code, data, headers)`` so; anything else is the data
    of a 200: bytes, str (UTF-8), dict, list, dataclass and pydantic model (JSON), None (empty).
    """
    if isinstance(value, Welcome):
        value = value.as_reply()
    elif isinstance(value, tuple):
        value = _of_tuple(value)
    elif not isinstance(value, Answer):
        value = Answer(value)
    _check(value)
    try:
        data = encode_data(value.data)
    except NoBody as error:
        raise ImpossibleReply(str(error)) from error
    return FinishedReply(value.code, value.message, data, value.headers)


def _of_tuple(value: tuple[object, ...]) -> Answer:
    if not 2 <= len(value) <= 3 or not isinstance(value[0], int):
        raise ImpossibleReply("a tuple is (code, data) or (code, data, headers), for example (403, b'')")
    code, data, headers = value[0], value[1], value[2] if len(value) == 3 else {}
    if not isinstance(headers, Mapping):
        raise ImpossibleReply(f"the third of a tuple is headers, a dict, not {type(headers).__name__}")
    return Answer(data, code, headers=headers) if code == OK else Answer(data, code, "", headers)


def _check(reply: Answer) -> None:
    if type(reply.code) is not int or not 0 < reply.code < 2**31:
        raise ImpossibleReply(f"the code has to be a whole number from 1 on, not {reply.code!r}")
    if not isinstance(reply.message, str):
        raise ImpossibleReply(f"the message has to be text, not {type(reply.message).__name__}")
    for name, text in reply.headers.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ImpossibleReply(f"headers are text: {name!r} has {type(text).__name__}")
