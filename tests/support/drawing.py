"""The drawing of a message's way that README and ARCHITECTURE show, read so that it can be compared with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Drawing(NamedTuple):
    """The rooms of the drawing."""

    up: list[str]
    """From the transport to the upstream side, in the order in which a request goes through them."""
    down: list[str]
    """From the flow to the transport, in the order in which a reply goes through them."""
    asked: set[str]
    """Whom the flow asks on the way."""
    named: set[str]
    """All words that the drawing has, outside of its parentheses."""


def between(document: str, name: str) -> str:
    """What stands between the two marks of that name in a document of the repository."""
    text = (ROOT / document).read_text(encoding="utf-8")
    _, begin, rest = text.partition(f"<!-- {name} -->")
    inside, end, _ = rest.partition(f"<!-- /{name} -->")
    assert begin, f"{document} has no place for it: <!-- {name} -->"
    assert end, f"{document} does not end it: <!-- /{name} -->"
    return inside.strip()


def read_path(document: str) -> Drawing:
    """The drawing of a document."""
    drawing = re.sub(r"\(.*?\)", "", between(document, "path"))
    lines = drawing.splitlines()
    up = next(line for line in lines if "─►" in line)
    down = next(line for line in lines if "◄─" in line)
    _, _, asks = drawing.partition("flow asks:")
    asks, _, _ = asks.partition("transport:")
    return Drawing(_words(up)[1:-1], _words(down)[:0:-1], set(_words(asks)), set(_words(drawing)))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text)
