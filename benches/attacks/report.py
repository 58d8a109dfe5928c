"""The table of docs/attacks.md, from what was measured last; nothing else of that file is touched."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from benches.attacks.base import ATTACKS
from benches.attacks.measure import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "benches" / "out" / "attacks.json"
HEADER = (
    "| attack | of | sent | growth at most / after, MiB | processors | µs for each | honest p50 / p99, ms | × none "
    "| failed | p99 after | newcomers in vain | what came of it |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(row: Row, rows: Iterable[Row]) -> str:
    """One row; the one without an attack, of the same transport, is what its p99 is compared with."""
    none = next((one for one in rows if one.name == "none" and one.transport == row.transport), row)
    each = f"{(row.cpu - none.cpu) * 1e6 * row.seconds / row.count:.0f}" if row.count else ""
    sent = f"{row.count / row.seconds:,.0f}/s".replace(",", " ") if row.count else ""
    if row.size:
        sent += f", {row.size * 8e-6 / row.seconds:.1f} Mbit/s"
    return (
        f"| {row.what} | {row.transport} | {sent} | {row.most:+.1f} / {row.kept:+.1f} | {row.cpu:.2f} | {each} "
        f"| {row.p50:.1f} / {row.p99:.1f} | {row.p99 / none.p99:.1f} | {row.failed} of {row.calls} "
        f"| {row.p99_after:.1f}{f', {row.failed_after} failed' if row.failed_after else ''} "
        f"| {row.turned_away} of {row.came} | {row.outcome} |"
    )


def keep(rows: Iterable[Row]) -> None:
    """Keep the rows, each in the place of the last of its kind."""
    found = {(row.name, row.transport): row for row in [*kept(), *rows]}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps([dataclasses.asdict(row) for row in found.values()], indent=1))


def kept() -> list[Row]:
    """What was measured last."""
    return [Row(**one) for one in json.loads(KEPT.read_text())] if KEPT.exists() else []


def write() -> None:
    """Write the table into the document, in the order in which attacks are entered."""
    order = {name: at for at, name in enumerate(["none", *ATTACKS])}
    rows = sorted((row for row in kept() if row.name in order), key=lambda row: (order[row.name], row.transport))
    table = "\n".join([HEADER, *(line(row, rows) for row in rows)]) + "\n"
    document = ROOT / "docs" / "attacks.md"
    text = document.read_text(encoding="utf-8")
    text = re.sub("(?s)(<!-- attacks -->\n).*(<!-- /attacks -->)", lambda at: at[1] + table + at[2], text)
    document.write_text(text, encoding="utf-8")
