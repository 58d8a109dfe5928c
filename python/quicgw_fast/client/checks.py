"""Whether what the application gives can be used. An error names the argument and what it must be.

TypeError for a value of the wrong type, ValueError for one of the right type that makes no sense. A token or other
text is never part of the message.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 366 * 86_400.0
"""Seconds: the longest time that can be asked for, short of ``math.inf``. Event loops stop at some larger number."""

Octets = bytes | bytearray | memoryview
"""What data may be given as."""


def seconds(name: str, value: float, *, zero: bool = False, forever: bool = False) -> float:
    """Return ``value``, a time above 0 (with ``zero`` also 0, with ``forever`` also ``math.inf``)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {_kind(value)}")
    if forever and value == math.inf:
        return value
    if not (0 < value <= LONGEST or (zero and value == 0)):  # nan is neither
        least = "at least 0" if zero else "above 0"
        most = " or math.inf" if forever else ""
        raise ValueError(f"{name} must be {least} and at most {LONGEST:.0f} seconds{most}, not {value!r}")
    return value


def count(name: str, value: int, least: int) -> None:
    """Check a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {_kind(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def flag(name: str, value: bool) -> None:
    """Check a yes or no: a string that says "no" would count as yes."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {_kind(value)}")


def text(name: str, value: str, *, empty: bool = False) -> str:
    """Return ``value``, a string that can be sent."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {_kind(value)}")
    if not value and not empty:
        raise ValueError(f"{name} must not be empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} has a character that UTF-8 cannot hold, at {error.start}") from None
    return value


def strings(name: str, value: Mapping[str, str] | None) -> None:
    """Check params or headers."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of str to str, not {_kind(value)}")
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{name} must have keys of str, not {_kind(key)}")
        text(f"the key {key!r:.40} of {name}", key, empty=True)
        text(f"{name}[{key!r:.40}]", item, empty=True)


def octets(name: str, value: Octets) -> bytes:
    """Return ``value`` as bytes: a copy of what may change."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    hint = ': encode it, as in "…".encode()' if isinstance(value, str) else ""
    raise TypeError(f"{name} must be bytes, a bytearray or a memoryview, not {_kind(value)}{hint}")


def is_callable(name: str, value: Callable[..., object]) -> None:
    """Check a callback."""
    if not callable(value):
        raise TypeError(f"{name} must be callable, not {_kind(value)}")


def instance(name: str, value: object, kind: type) -> None:
    """Check that ``value`` was made from the class ``kind``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {_kind(value)}")


def _kind(value: object) -> str:
    return type(value).__name__
