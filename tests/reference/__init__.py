"""Pages, and parts of pages, that are made from the code: ``make reference`` writes them, a test compares them.

Who adds one writes a function that returns its text, and a line in ``PAGES`` or ``PARTS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference import admin, cli, codes, configuration, metrics, sdk
from tests.support.drawing import ROOT, between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/admin.md": admin.page,
    "docs/reference/codes.md": codes.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/quicgw.schema.json": configuration.schema,
    "docs/reference/sdk.md": sdk.page,
}
"""Whole files."""

PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/reference/configuration.md", "tables"): configuration.tables,
    ("docs/reference/cli.md", "overview"): cli.overview,
    ("docs/reference/cli.md", "statuses"): cli.statuses,
    ("docs/reference/cli.md", "commands"): cli.commands,
    ("docs/operations.md", "keys"): configuration.live_keys,
    ("README.md", "keys"): configuration.essential_keys,
}
"""What stands between ``<!-- name -->`` and ``<!-- /name -->`` in a document."""


def differing() -> Iterator[str]:
    """Name what is not as the code makes it."""
    for path, made in PAGES.items():
        file = ROOT / path
        if not file.exists() or file.read_text(encoding="utf-8") != made():
            yield path
    for (path, name), made in PARTS.items():
        if between(path, name) != made().strip():
            yield f"{path} <!-- {name} -->"


def write() -> None:
    """Make all of them anew."""
    for path, made in PAGES.items():
        (ROOT / path).write_text(made(), encoding="utf-8")
    for (path, name), made in PARTS.items():
        before = between(path, name)
        text = (ROOT / path).read_text(encoding="utf-8")
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        head, tail = text.split(begin)[0], text.split(end)[1]
        assert before in text
        (ROOT / path).write_text(f"{head}{begin}\n{made().strip()}\n{end}{tail}", encoding="utf-8")
