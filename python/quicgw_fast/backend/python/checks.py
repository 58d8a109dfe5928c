"""What an argument must be. Every method checks all its arguments before it changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index, itemgetter
from typing import Final, SupportsIndex

U32_MAX: Final = 2**32 - 1
U64_MAX: Final = 2**64 - 1
_KEY: Final = itemgetter(0)


def u64(value: SupportsIndex) -> int:
    """Return an unsigned 64-bit number; TypeError if it is not an integer, OverflowError out of range."""
    number = index(value)
    if not 0 <= number <= U64_MAX:
        raise OverflowError(f"{number} is not an unsigned 64-bit number")
    return number


def u32(value: SupportsIndex) -> int:
    """Return an unsigned 32-bit number; errors as in u64."""
    number = index(value)
    if not 0 <= number <= U32_MAX:
        raise OverflowError(f"{number} is not an unsigned 32-bit number")
    return number


def i32(value: SupportsIndex) -> int:
    """Return a signed 32-bit number; errors as in u64."""
    number = index(value)
    if not -(2**31) <= number < 2**31:
        raise OverflowError(f"{number} is not a signed 32-bit number")
    return number


def seconds(value: float) -> float:
    """Return a time; TypeError if it is not a number."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"a time must be a number of seconds, not {type(value).__name__}")
    return float(value)


def flag(value: bool) -> bool:
    """Return a bool; TypeError if it is something else that merely is true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"a flag must be True or False, not {type(value).__name__}")
    return value


def octets(value: bytes) -> bytes:
    """Return bytes; TypeError for anything else, bytearray and memoryview included."""
    if not isinstance(value, bytes):
        raise TypeError(f"data must be bytes, not {type(value).__name__}")
    return value


def text(value: str) -> bytes:
    """Return a string as UTF-8; TypeError for anything else, UnicodeEncodeError for lone surrogates."""
    if not isinstance(value, str):
        raise TypeError(f"text must be str, not {type(value).__name__}")
    return value.encode()


def headers(value: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return a mapping's items as UTF-8, sorted by key; TypeError unless all keys and values are strings."""
    if not isinstance(value, Mapping):
        raise TypeError(f"headers must be a mapping, not {type(value).__name__}")
    return sorted([(text(key), text(item)) for key, item in value.items()], key=_KEY)
