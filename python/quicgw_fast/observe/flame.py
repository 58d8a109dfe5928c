"""A profile as people and their tools read it: a flame graph, collapsed stacks, or speedscope's JSON.

The flame graph (Gregg 2011) is one SVG without any script and without anything from elsewhere: the width of a box is
the share of time in which its function was on the stack, and its title, which a browser shows under the pointer, says
which it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.observe.profile import Profile

WIDTH: Final = 1200.0
ROW: Final = 17.0
HEAD: Final = 44.0
LEAST: Final = 0.5
"""Pixels below which a box is left out."""
LETTER: Final = 6.6
"""Pixels of one, in the font that is used."""
_RUNNER: Final = "asyncio.runners.Runner.run:"
"""Where the launcher ends and the event loop begins."""
_LOOP: Final = ("asyncio.base_events.", "asyncio.events.Handle._run:")
"""The loop's own functions; that of uvloop has none in Python."""
_STYLE: Final = (
    "text{font:11px ui-monospace,monospace;fill:#111}.h{font-size:13px;fill:currentColor}"
    "rect{stroke:#fff;stroke-width:.5}svg{color:#222;background:#fff}"
    "@media(prefers-color-scheme:dark){svg{color:#ddd;background:#1b1b1b}rect{stroke:#1b1b1b}}"
)


@dataclass(slots=True)
class _Box:
    """A function, under a certain stack."""

    name: str
    looks: int = 0
    inner: dict[str, _Box] = field(default_factory=dict)


def collapsed(profile: Profile) -> str:
    """One line a stack, its functions between semicolons, and how often it was seen."""
    lines = (f"{';'.join(stack)} {count}" for stack, count in sorted(profile.stacks.items()))
    return "".join(f"{line}\n" for line in lines)


def speedscope(profile: Profile) -> dict[str, Any]:
    """The file format of https://www.speedscope.app."""
    names: dict[str, int] = {}
    samples, weights = [], []
    each = profile.seconds / max(1, profile.looks)
    for stack, count in sorted(profile.stacks.items()):
        samples.append([names.setdefault(name, len(names)) for name in stack])
        weights.append(round(count * each, 6))
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "shared": {"frames": [{"name": name} for name in names]},
        "profiles": [
            {
                "type": "sampled", "name": "quicgw", "unit": "seconds", "startValue": 0,
                "endValue": round(sum(weights), 6), "samples": samples, "weights": weights,
            }
        ],
    }  # fmt: skip


def flame_graph(profile: Profile) -> str:
    """The SVG."""
    root = _tree(profile)
    boxes = list(_boxes(root, 0.0, WIDTH, 0, root.looks))
    height = HEAD + ROW * (1 + max((row for _, _, row, _, _ in boxes), default=0)) + 8
    said = f"{profile.looks} looks in {profile.seconds:.1f} s; the pointer over a box shows what it is"
    drawn = "".join(_drawn(x, width, row, name, told) for x, width, row, name, told in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="100%" role="img"'
        ' preserveAspectRatio="xMidYMin">'
        f"<title>Flame graph</title><style>{_STYLE}</style>"
        f'<text class="h" x="8" y="24">{escape(said)}</text>{drawn}</svg>\n'
    )


def _tree(profile: Profile) -> _Box:
    root = _Box("event loop")
    for stack, count in profile.stacks.items():
        box = root
        box.looks += count
        for name in _inside_the_loop(stack):
            box = box.inner.setdefault(name, _Box(name))
            box.looks += count
    return root


def _inside_the_loop(stack: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out what started the event loop, and the loop's own functions: every stack begins with them."""
    begin = next((at for at, name in enumerate(stack) if name.startswith(_RUNNER)), None)
    if begin is None:
        return stack
    while begin < len(stack) and stack[begin].startswith((_RUNNER, *_LOOP)):
        begin += 1
    return stack[begin:]


def _boxes(box: _Box, x: float, width: float, row: int, total: int) -> Iterator[tuple[float, float, int, str, str]]:
    """Where each is: x, width and row, its name and what its title says."""
    if width < LEAST or not total:
        return
    yield x, width, row, box.name, f"{box.name}: {box.looks} of {total} ({100 * box.looks / total:.1f} %)"
    for inner in sorted(box.inner.values(), key=lambda one: one.name):
        share = width * inner.looks / box.looks
        yield from _boxes(inner, x, share, row + 1, total)
        x += share


def _drawn(x: float, width: float, row: int, name: str, told: str) -> str:
    y = HEAD + ROW * row
    room = int((width - 6) / LETTER)
    # What tells functions apart is at the end of their names.
    short = name if len(name) <= room else f"…{name[1 - room :]}" if room > 3 else ""
    text = f'<text x="{x + 3:.1f}" y="{y + 12:.1f}">{escape(short)}</text>' if short else ""
    box = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{ROW:g}" fill="{_color(name)}"/>'
    return f"<g><title>{escape(told)}</title>{box}{text}</g>"


def _color(name: str) -> str:
    """Of its module: red for the gateway's own functions, yellow for others."""
    module = name.partition(":")[0]
    drawn = crc32(module.encode())
    hue = 5 + drawn % 25 if module.startswith("quicgw_fast") else 40 + drawn % 20
    return f"hsl({hue} 80% {62 + drawn // 64 % 12}%)"
