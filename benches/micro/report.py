"""One table from one pytest-benchmark run; ``python -m benches.micro.report [FILE]`` prints it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent.parent / "out" / "micro.json"
# The first marks to reach: how many times faster than which other way.
MARKS = {("Outbox.reply, 1 before + 1 after", "python"): 5.0, ("TaskQueue push + pop", "asyncio.Queue"): 3.0}


class Row(NamedTuple):
    """One way of doing a step: median and quartile distance in nanoseconds."""

    step: str
    who: str
    median: float
    spread: float


def load(path: str | Path) -> list[Row]:
    """Read the JSON that pytest-benchmark wrote."""
    rows = []
    for entry in json.loads(Path(path).read_text())["benchmarks"]:
        info, stats = entry["extra_info"], entry["stats"]
        scale = 1e9 / info["size"]
        rows.append(Row(entry["group"], info["who"], stats["median"] * scale, stats["iqr"] * scale))
    return rows


def table(rows: list[Row]) -> str:
    """Show each step's ways with their time in relation to that of the compiled engine; and the marks."""
    lines = [f"{'':36}{'':20}{'ns':>10} {'± ns':>8}  times rust"]
    for step in dict.fromkeys(row.step for row in rows):
        ways = sorted((row for row in rows if row.step == step), key=lambda row: row.who != "rust")
        rust = ways[0].median
        for row in ways:
            ratio = "" if row.who == "rust" else f"{row.median / rust:8.2f}"
            remark = "  rust is slower" if row.median < rust else ""
            title = step if row is ways[0] else ""
            lines.append(f"{title:36}{row.who:20}{row.median:10.0f} {row.spread:8.0f}  {ratio}{remark}".rstrip())
    lines.append("")
    lines += _marks({(row.step, row.who): row.median for row in rows})
    return "\n".join(lines)


def _marks(medians: dict[tuple[str, str], float]) -> list[str]:
    lines = []
    for (step, who), wanted in MARKS.items():
        if (step, who) in medians:
            ratio = medians[step, who] / medians[step, "rust"]
            verdict = "reached" if ratio >= wanted else "NOT REACHED"
            lines.append(f"mark: {step}: at least {wanted:.0f} times faster than {who}: {ratio:.1f}, {verdict}")
    return lines


if __name__ == "__main__":
    print(table(load(sys.argv[1] if len(sys.argv) > 1 else FILE)))
