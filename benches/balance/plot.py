"""Curves over time, as SVG: panels below each other with one axis of seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _LEFT, _RIGHT, _HEIGHT, _GAP, _TOP = 760, 60, 20, 120, 46, 30
_COLOURS = ("#d07c3e", "#4f8fba", "#5b9f78", "#7b8794")


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one thing: seconds and value."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves of one unit."""

    title: str
    curves: Sequence[Curve]


def draw(panels: Sequence[Panel], events: Sequence[tuple[float, str]]) -> str:
    """Return the drawing; ``events`` are lines at their time through all panels, each with a word."""
    end = max(seconds for panel in panels for curve in panel.curves for seconds, _ in curve.points)
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    scale = (_WIDTH - _LEFT - _RIGHT) / end
    drawn = []
    for number, panel in enumerate(panels):
        drawn += _panel(panel, _TOP + number * (_HEIGHT + _GAP) + 16, scale)
    for seconds, word in events:
        x = _LEFT + seconds * scale
        drawn.append(f'<path d="M{x:.1f} {_TOP}V{height - _GAP + 16}" stroke="#444" stroke-dasharray="3 3"/>')
        drawn.append(f'<text x="{x + 3:.1f}" y="{_TOP - 4}">{escape(word)}</text>')
    for seconds in range(0, int(end) + 1, max(1, int(end) // 10)):
        drawn.append(
            f'<text x="{_LEFT + seconds * scale:.1f}" y="{height - 14}" text-anchor="middle">{seconds} s</text>'
        )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif"'
    return "\n".join((f'{head} font-size="12">', '<rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>\n"))


def _panel(panel: Panel, top: float, scale: float) -> list[str]:
    most = max((value for curve in panel.curves for _, value in curve.points), default=0.0) or 1.0
    bottom = top + _HEIGHT
    drawn = [
        f'<text x="{_LEFT}" y="{top - 2}" font-weight="bold">{escape(panel.title)}</text>',
        f'<path d="M{_LEFT} {top}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="#9aa5b1"/>',
        f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.3g}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
    ]
    for number, (colour, curve) in enumerate(zip(_COLOURS, panel.curves, strict=False)):
        line = " ".join(f"{_LEFT + s * scale:.1f},{bottom - value / most * _HEIGHT:.1f}" for s, value in curve.points)
        drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        x = _WIDTH - _RIGHT - 150 * (len(panel.curves) - number)
        drawn.append(f'<text x="{x}" y="{top - 2}" fill="{colour}">{escape(curve.name)}</text>')
    return drawn
