"""What was measured, in ``benches/out/marks.json``: every round of every row, until the row is measured again."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benches.marks import calls, cluster, echo, requests, sessions

if TYPE_CHECKING:
    from benches.marks.row import Row

Rounds = list[dict[str, float]]

OUT = Path(__file__).parent.parent / "out"
ROWS: dict[str, Row] = {row.name: row for part in (echo, calls, requests, sessions, cluster) for row in part.ROWS}
_KEPT = OUT / "marks.json"


def keep(name: str, found: dict[str, Rounds]) -> None:
    """Write the rounds of each variant of a row."""
    OUT.mkdir(exist_ok=True)
    _KEPT.write_text(json.dumps({**_read(), name: {"at": time.time(), "variants": found}}, indent=1))


def kept() -> dict[str, dict[str, Rounds]]:
    """Return what there is, row by row, in the order of ROWS."""
    read = _read()
    return {name: read[name]["variants"] for name in ROWS if name in read}


def medians(found: dict[str, Rounds]) -> dict[str, dict[str, float]]:
    """Return the median of each figure of each variant."""
    return {
        variant: {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
        for variant, rounds in found.items()
    }


def ratios(of: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return for each variant its first figure as a multiple of the first variant's."""
    firsts = {variant: next(iter(figures.values())) for variant, figures in of.items()}
    reference = next(iter(firsts.values()))
    return {variant: figure / reference for variant, figure in firsts.items()}


def shown(figure: float) -> str:
    """Return three digits that count."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _read() -> dict[str, dict[str, dict[str, Rounds]]]:
    read: dict[str, dict[str, dict[str, Rounds]]] = json.loads(_KEPT.read_text()) if _KEPT.exists() else {}
    return read
