"""Numbers in the gateway's headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS = 15
"""More than any of them has; a longer one is not a meaningful number."""


def whole(headers: Mapping[str, str], name: str) -> int | None:
    """Return the whole number in header ``name``; None when there is none."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None
