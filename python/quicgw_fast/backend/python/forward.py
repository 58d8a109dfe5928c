"""A BUSINESS message as its service gets it (protocol §3).

Of the payload no more is read than that takes: parameters are checked and go on as they came. Whatever is not in the
form that everybody writes is left to a protobuf library, which knows all that is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend.python import checks
from quicgw_fast.backend.python.wire import entry_fields, varint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Tags: field number << 3 | wire type, where 0 is a varint and 2 is length and bytes.
_ACTION: Final = 1 << 3 | 2
_PARAM: Final = 2 << 3 | 2
_DATA: Final = 3 << 3 | 2
_KEY: Final = 1 << 3 | 2
_VALUE: Final = 2 << 3 | 2
_LONGEST_LENGTH: Final = 5


class ForwardedRequest:
    """A request as its service gets it: what the gateway has to know of it, and its encoding as an UpstreamRequest.

    entries: how many parameters and headers it has.
    """

    __slots__ = ("__weakref__", "_action", "_client_seq_id", "_encoded", "_entries", "_openid", "_session_id")

    _session_id: str
    _openid: str
    _action: str
    _client_seq_id: int
    _entries: int
    _encoded: bytes

    def __new__(cls) -> ForwardedRequest:
        """Refuse: forward() makes them."""
        raise TypeError("forward() makes them")

    @property
    def session_id(self) -> str:
        """Whose it is."""
        return self._session_id

    @property
    def openid(self) -> str:
        """Likewise."""
        return self._openid

    @property
    def action(self) -> str:
        """What is asked for."""
        return self._action

    @property
    def client_seq_id(self) -> int:
        """The client's number of the request."""
        return self._client_seq_id

    @property
    def entries(self) -> int:
        """How many parameters and headers it has."""
        return self._entries

    def SerializeToString(self) -> bytes:  # noqa: N802 - as of the protobuf message that it stands for
        """Return it as it goes to the service."""
        return self._encoded


class NotOrdinary(Exception):
    """Left to others."""


def forward(
    session_id: str, openid: str, client_seq_id: int, payload: bytes, headers: Mapping[str, str], own: bytes
) -> ForwardedRequest | None:
    """Make what a service gets of a BUSINESS message, without parsing more of its payload than that takes.

    payload: a BusinessRequest; headers: of the envelope; own: encoded entries of UpstreamRequest.headers that come
    behind them, so that of two with one name these count. None for a payload that is not in the ordinary form (known
    fields alone, each once but for the parameters), which does not say whether it is valid.
    """
    number, pairs, own = checks.u64(client_seq_id), checks.headers(headers), checks.octets(own)
    try:
        action, params, data = _read(checks.octets(payload))
        text = action.decode()
    except (NotOrdinary, UnicodeDecodeError):
        return None
    parts = []
    for tag, field in ((b"\x0a", checks.text(session_id)), (b"\x12", checks.text(openid)), (b"\x1a", action)):
        if field:
            parts += [tag, varint(len(field)), field]
    for entry in params:
        parts += [b"\x22", varint(len(entry)), entry]
    if data:
        parts += [b"\x2a", varint(len(data)), data]
    parts += entry_fields(b"\x32", pairs)
    parts.append(own)
    if number:
        parts += [b"\x38", varint(number)]
    made = object.__new__(ForwardedRequest)
    made._session_id, made._openid, made._action, made._client_seq_id = session_id, openid, text, number
    made._entries, made._encoded = len(params) + len(pairs), b"".join(parts)
    return made


def _read(payload: bytes) -> tuple[bytes, list[bytes], bytes]:
    action: bytes | None = None
    data: bytes | None = None
    params = []
    for tag, field in _fields(payload):
        if tag == _ACTION and action is None:
            action = field
        elif tag == _DATA and data is None:
            data = field
        elif tag == _PARAM:
            check_entry(field)
            params.append(field)
        else:
            raise NotOrdinary
    return action or b"", params, data or b""


def check_entry(entry: bytes) -> None:
    """Read a map's entry: it has a key and a value, each at most once."""
    seen = []
    for tag, text in _fields(entry):
        if tag not in (_KEY, _VALUE) or tag in seen:
            raise NotOrdinary
        seen.append(tag)
        text.decode()


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tags and bytes of a message whose fields all have a length, with tags of one byte."""
    position, end = 0, len(message)
    while position < end:
        tag = message[position]
        length, start = length_at(message, position + 1)
        position = start + length
        if position > end:
            raise NotOrdinary
        yield tag, message[start:position]


def length_at(message: bytes, position: int) -> tuple[int, int]:
    """Return a length, and where what has it begins."""
    length = 0
    for place, byte in enumerate(message[position : position + _LONGEST_LENGTH]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return length, position + place + 1
    raise NotOrdinary
