"""A configuration file to begin with: every key with its default, explained, and commented out.

What is commented out stays a default, so that a file made by one release takes over what the next one finds better.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from quicgw_fast.config.catalogue import ESSENTIAL, catalogue
from quicgw_fast.config.schema import ADDRESS
from quicgw_fast.config.toml import toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config.catalogue import Setting

WIDTH: Final = 100
_ALL = (
    "Configuration of quicgw: every key with its default. Take the # away from a key to give it another value.",
    "Durations are written 250ms, 30s, 5m, 2h, 7d; sizes 64KiB, 1MiB, 2GiB. Files count from the folder of this one.",
    "quicgw checkconfig FILE names every mistake with its line.",
)
_FEW = (
    "Configuration of quicgw: what to look at first. Take the # away from a key to give it another value.",
    "quicgw genconfig without --minimal shows all keys, quicgw checkconfig FILE names every mistake with its line.",
)


def sample(*, minimal: bool = False) -> str:
    """Return the file; ``minimal`` with the keys that a new user looks at first alone."""
    head = [line for part in (_FEW if minimal else _ALL) for line in _comment(part)]
    blocks = ["\n".join([f"#:schema {ADDRESS}", *head])]
    for table in catalogue():
        shown = [one for one in table.settings if not minimal or one.key in ESSENTIAL]
        if shown:
            blocks.append("\n".join([*_comment(table.help), f"[{table.name}]"]))
            blocks += ["\n".join(_lines(one)) for one in shown]
    return "\n\n".join(blocks) + "\n"


def _lines(setting: Setting) -> Iterator[str]:
    """What a key means and may be, and the line to change."""
    allowed = setting.kind.allowed
    notes = [f"Allowed: {', '.join(allowed)}."] if allowed else []
    notes += [] if setting.default == setting.example else ["Not set; for example:"]
    yield from _comment(setting.help)
    yield from _comment(" ".join(notes))
    yield f"# {setting.name} = {toml(setting.example)}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text.replace("``", ""), WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
