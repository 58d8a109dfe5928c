"""Tables and plots of docs/performance.md and docs/clusters.md, from what was measured last; all else there stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benches.marks.kept import ROWS, kept, medians, ratios, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    Medians = Mapping[str, Mapping[str, float]]

DOCS = Path(__file__).parent.parent.parent / "docs"
_WHOLE = "whole-"
_CLUSTER = "cluster-"
_PLOTTED = {"echo.svg": "echo-", "whole-path.svg": _WHOLE}
"""Plots, and the beginning of the names of the rows in each."""
_WIDTH, _LABELS, _LINE = 760, 190, 22
_COLOURS = ("#9aa5b1", "#7b8794", "#4f8fba", "#5b9f78", "#d07c3e")


def write() -> None:
    """Write the tables of what was measured into the documents, and the plots beside them."""
    found = {name: medians(variants) for name, variants in kept().items()}
    many = {name: of for name, of in found.items() if name.startswith(_CLUSTER)}
    alone = {name: of for name, of in found.items() if name not in many}
    if alone:
        _write_tables("performance.md", {"marks": marks_table(alone), "whole": whole_table(alone)})
    if many:
        _write_tables("clusters.md", {"cluster": marks_table(many)})
    for file, beginning in _PLOTTED.items():
        rows = {ROWS[name].what: of for name, of in found.items() if name.startswith(beginning)}
        if rows:
            (DOCS / file).write_text(bars(rows), encoding="utf-8")


def _write_tables(file: str, tables: Mapping[str, str]) -> None:
    document = DOCS / file
    text = document.read_text(encoding="utf-8")
    for name, table in tables.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not end:
            raise SystemExit(f"{document}: there is no place for the table {name!r}")
        text = before + begin + table + end + after
    document.write_text(text, encoding="utf-8")


def marks_table(found: Mapping[str, Medians]) -> str:
    """Return all rows: figures, ratios, marks and limits."""
    lines = ["| work | of | measured | ratio | mark | limit |", "|---|---|---|---|---|---|"]
    for name, of in found.items():
        row = ROWS[name]
        what, mark, limit = row.what, row.mark, row.limit
        for variant, ratio in ratios(dict(of)).items():  # type: ignore[arg-type]
            figure = shown(next(iter(of[variant].values())))
            lines.append(f"| {what} | {variant} | {figure} | {shown(ratio)} | {mark} | {limit} |")
            what = mark = limit = ""
    return "\n".join(lines) + "\n"


def whole_table(found: Mapping[str, Medians]) -> str:
    """Return the whole path with all that was seen of it."""
    lines: list[str] = []
    for name, of in found.items():
        if not name.startswith(_WHOLE):
            continue
        load = name.removeprefix(_WHOLE)
        for variant, figures in of.items():
            if not lines:
                lines = [f"| load | combination | {' | '.join(figures)} |", "|---|---|" + "---|" * len(figures)]
            lines.append(f"| {load} | {variant} | {' | '.join(map(shown, figures.values()))} |")
            load = ""
    return "\n".join(lines) + "\n"


def bars(rows: Mapping[str, Medians]) -> str:
    """Draw a bar for each variant of each row; each row has a scale of its own."""
    drawn: list[str] = []
    y = 10
    for what, of in rows.items():
        y += _LINE
        drawn.append(f'<text x="10" y="{y}" font-weight="bold">{escape(what)}</text>')
        figures = {variant: next(iter(seen.values())) for variant, seen in of.items()}
        for colour, (variant, figure) in zip(_COLOURS, figures.items(), strict=False):
            y += _LINE
            width = max(1.0, figure / max(figures.values()) * (_WIDTH - _LABELS - 80))
            drawn.append(f'<text x="{_LABELS - 10}" y="{y}" text-anchor="end">{escape(variant)}</text>')
            drawn.append(f'<rect x="{_LABELS}" y="{y - 13}" width="{width:.0f}" height="16" fill="{colour}"/>')
            drawn.append(f'<text x="{_LABELS + width + 6:.0f}" y="{y}">{shown(figure)}</text>')
        y += _LINE // 2
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 10}" font-family="sans-serif"'
    return "\n".join((f'{head} font-size="13">', '<rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>\n"))
