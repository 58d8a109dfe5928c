"""Text of somebody else, from the network or from a file, made safe for logs, messages and terminals."""

from __future__ import annotations


def printable(text: str, limit: int | None = 128) -> str:
    """Return the text with everything unprintable escaped and cut to ``limit`` characters."""
    cut = text[:limit]
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)[:limit]
