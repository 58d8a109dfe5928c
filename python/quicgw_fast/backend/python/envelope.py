"""The envelope of a BUSINESS message, as far as it takes to refuse the request in it (protocol §1).

Of the payload its first bytes alone are looked at, and nothing is kept. Whatever is not in the form that everybody
writes is left to a protobuf library, which knows all that is allowed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from quicgw_fast.backend.python.checks import U32_MAX, U64_MAX
from quicgw_fast.backend.python.forward import NotOrdinary, check_entry, length_at

# Tags of ClientRequest: field number << 3 | wire type, where 0 is a varint and 2 is length and bytes.
_MSG_ID: Final = 1 << 3
_SEQ_ID: Final = 2 << 3
_TYPE: Final = 3 << 3
_PAYLOAD: Final = 4 << 3 | 2
_HEADER: Final = 5 << 3 | 2
_OPENID: Final = 6 << 3 | 2

_BUSINESS: Final = 4
_HELLO: Final = b"\n\x05hello"
"""How the payload of a login begins, but for its case: field 1 of BusinessRequest, and its length."""
_LONGEST_NUMBER: Final = 10


class Refusable(NamedTuple):
    """A request that is no login."""

    msg_id: int
    seq: int


def read_request(message: bytes) -> Refusable | None:
    """Read an envelope in the ordinary form: known fields alone, each once but for the headers.

    None for any other, and for all that is no request or a login.
    """
    try:
        numbers, payload = _read(message)
    except (NotOrdinary, UnicodeDecodeError):
        return None
    if numbers.get(_TYPE) != _BUSINESS or payload[: len(_HELLO)].lower() == _HELLO:
        return None
    msg_id = numbers.get(_MSG_ID, 0)
    return Refusable(msg_id, numbers.get(_SEQ_ID, 0)) if msg_id <= U32_MAX else None


def _read(message: bytes) -> tuple[dict[int, int], bytes]:
    """Return the numbers by tag, and the payload."""
    numbers: dict[int, int] = {}
    texts: dict[int, bytes] = {}
    position = 0
    while position < len(message):
        tag, position = message[position], position + 1
        if tag in (_MSG_ID, _SEQ_ID, _TYPE) and tag not in numbers:
            numbers[tag], position = _number_at(message, position)
            continue
        if tag not in (_PAYLOAD, _OPENID, _HEADER) or tag in texts:
            raise NotOrdinary
        field, position = _bytes_at(message, position)
        if tag == _HEADER:
            check_entry(field)
        else:
            texts[tag] = field
    texts.get(_OPENID, b"").decode()
    return numbers, texts.get(_PAYLOAD, b"")


def _bytes_at(message: bytes, position: int) -> tuple[bytes, int]:
    length, start = length_at(message, position)
    if start + length > len(message):
        raise NotOrdinary
    return message[start : start + length], start + length


def _number_at(message: bytes, position: int) -> tuple[int, int]:
    """Return a varint of at most 64 bits, and where it ends."""
    number = 0
    for place, byte in enumerate(message[position : position + _LONGEST_NUMBER]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80 and number <= U64_MAX:
            return number, position + place + 1
    raise NotOrdinary
