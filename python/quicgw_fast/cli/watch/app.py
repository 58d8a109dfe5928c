"""The program behind ``quicgw top``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from quicgw_fast.cli.watch.looks import DARK, LIGHT
from quicgw_fast.cli.watch.screen import WatchScreen

if TYPE_CHECKING:
    from quicgw_fast.cli.watch.reading import Watched


class WatchApp(App[None]):
    """Shows ``watched``, each of which is asked every ``period`` seconds."""

    TITLE = "quicgw top"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("t", "theme", "theme"), Binding("q", "quit", "quit")]

    def __init__(self, watched: list[Watched], period: float) -> None:
        super().__init__()
        self._first = WatchScreen(watched, period)
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = DARK.name

    def get_default_screen(self) -> WatchScreen:
        """Begin with it (textual)."""
        return self._first

    def action_theme(self) -> None:
        """Switch between dark and light."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
        self._first.draw_again()
