"""The colours, which are those of the page at ``/``: by what they mean, in dark and in light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.theme import Theme

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget

DARK: Final = Theme(
    "quicgw-dark", primary="#5aaaff", secondary="#ffa24d", accent="#b79dff", success="#3fd196", warning="#f5bb45",
    error="#ff7a70", foreground="#e9ecf1", background="#0b0d11", surface="#12151b", panel="#1b1f27",
)  # fmt: skip
LIGHT: Final = Theme(
    "quicgw-light", primary="#1464cc", secondary="#ad4e00", accent="#6941cf", success="#08734a", warning="#855400",
    error="#bb2218", foreground="#14181f", background="#f4f5f8", surface="#ffffff", panel="#e4e8ee", dark=False,
)  # fmt: skip

# Each step is lighter, or darker, than the one before: who sees no colours sees the same.
SHADES_ON_DARK: Final = (
    "#443a83", "#3c508b", "#31688e", "#277f8e", "#1fa187", "#4ac16d", "#9fda3a", "#fde725",
)  # fmt: skip
SHADES_ON_LIGHT: Final = (
    "#cfe1f4", "#aacdeb", "#82b6e0", "#5a9bd2", "#387fc0", "#2063a6", "#114886", "#062b5e",
)  # fmt: skip


def tone(widget: Widget | App[None], name: str, weight: str = "") -> str:
    """A colour of the theme by its meaning, as a style of rich; ``dim`` is for what is less important."""
    colour = "dim" if name == "dim" else widget.app.theme_variables[name]
    return f"{weight} {colour}".strip()


def shades(widget: Widget) -> tuple[str, ...]:
    """The colours of a heat map from few to many."""
    return SHADES_ON_DARK if widget.app.current_theme.dark else SHADES_ON_LIGHT
