"""The first screen of ``quicgw top``: tabs of gateways, an overview of one, its sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import ContentSwitcher, DataTable, Footer, Input, Static, Tab, Tabs

from quicgw_fast.cli.watch import figures
from quicgw_fast.cli.watch.comparison import ComparisonTable
from quicgw_fast.cli.watch.looks import tone
from quicgw_fast.cli.watch.panels import (
    LatencyPanel,
    LoadPanel,
    ReadingPanel,
    RefusalsPanel,
    StatePanel,
    UpstreamsPanel,
)
from quicgw_fast.cli.watch.sessions import SessionScreen, SessionsPane
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from quicgw_fast.cli.watch.reading import Watched

ALL: Final = "all"
"""The tab that shows all gateways, where there are several."""
NARROW: Final = 100
"""Columns of a terminal in which panels stand below each other."""
TALL: Final = 40
"""Lines of a terminal in which they are higher."""

LOAD: Final = (
    ("requests", "Requests", "primary"),
    ("replies", "Replies", "success"),
    ("notifies", "Notifies", "accent"),
    ("refused", "Refused", "secondary"),
)


class WatchScreen(Screen[None]):
    """Asks each gateway every ``period`` seconds, and shows one of them, or all."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "view('overview')", "overview"),
        Binding("s", "view('sessions')", "sessions"),
        Binding("slash", "search", "search"),
        Binding("left,h", "turn(-1)", "", show=False),
        Binding("right,l", "turn(1)", "next gateway"),
        Binding("j", "move('down')", "", show=False),
        Binding("k", "move('up')", "", show=False),
        Binding("escape", "leave", "back", show=False),
    ]

    def __init__(self, watched: list[Watched], period: float) -> None:
        super().__init__()
        self._watched = watched
        self._period = period
        self._shown = watched[0]
        """The gateway whose numbers are in the panels."""
        # Kept, not looked up: an answer may come when the program is on its way out, and the widgets are gone.
        several = len(watched) > 1
        names = [ALL, *self._names] if several else self._names
        self._tab_of = [Tab(name, id=f"tab-{place}") for place, name in enumerate(names)]
        self._comparison = ComparisonTable(watched)
        self._trouble = Static(id="trouble")
        self._views = ContentSwitcher(initial=ALL if several else "overview", id="views")
        self._load = [LoadPanel(*each) for each in LOAD]
        self._panels: list[ReadingPanel] = [
            LatencyPanel("Latency of the last minute", "latency"),
            StatePanel("Queue, sessions, process", "state"),
            UpstreamsPanel("Upstreams", "upstreams"),
            RefusalsPanel("Refusals", "refusals"),
        ]

    # What there is to see

    def compose(self) -> ComposeResult:
        """Make everything once; numbers come and go in it."""
        tabs = Tabs(*self._tab_of, id="gateways")
        tabs.can_focus = False  # the keys of what is below it are wanted
        yield tabs
        yield self._trouble
        with self._views:
            yield self._comparison
            with VerticalScroll(id="overview"):
                yield Horizontal(*self._load, id="load")
                yield Horizontal(*self._panels[:2], classes="row")
                yield Horizontal(*self._panels[2:], classes="row")
            yield SessionsPane(id="sessions-pane")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask."""
        for each in self._watched:
            self.run_worker(self._follow(each))
        self.set_interval(self._period, self._list)

    def on_resize(self) -> None:
        """Arrange the panels as there is room."""
        self.set_class(self.size.width < NARROW, "narrow")
        self.set_class(self.size.height >= TALL and self.size.width >= NARROW, "tall")

    @property
    def _names(self) -> list[str]:
        return [each.name for each in self._watched]

    @property
    def view(self) -> str:
        """What is on the screen: ``all``, ``overview`` or ``sessions-pane``."""
        return self._views.current or ""

    # What comes in

    async def _follow(self, watched: Watched) -> None:
        while True:
            await asyncio.to_thread(watched.look)
            self._comparison.show(watched)
            self._mark(watched)
            if watched is self._shown:
                self._draw()
            await asyncio.sleep(self._period)

    def _mark(self, watched: Watched) -> None:
        """Tell on its tab whether a gateway is there."""
        sign = Text("▲ ", tone(self, "error")) if watched.trouble else Text("● ", tone(self, "success"))
        place = self._watched.index(watched) + (len(self._watched) > 1)
        self._tab_of[place].label = sign.append(watched.name)

    def _draw(self) -> None:
        watched, reading = self._shown, self._shown.reading
        stale = watched.trouble is not None and self.view != ALL
        self._trouble.display = stale
        self._views.set_class(stale, "stale")
        if watched.trouble is not None:
            last = f"; what you see is from {figures.clock(reading.at)}" if reading else ""
            why = watched.trouble.partition(";")[0]
            self._trouble.update(Text(f"▲ {watched.name} is {watched.word}{last}. Trying again: {why}."))
        for panel in [*self._load, *self._panels]:
            panel.show(reading)

    async def _list(self) -> None:
        """Read the list of sessions again while it is looked at."""
        if self.view != "sessions-pane":
            return
        pane, reader = self.query_one(SessionsPane), self._shown.reader
        words = pane.words
        try:
            found = await asyncio.to_thread(reader.sessions, words)
        except StartupError as error:
            pane.tell(str(error))
            return
        if words == pane.words and reader is self._shown.reader:  # else it was another question
            pane.show(found)

    # What is done

    async def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Show that gateway, or all."""
        place = int((event.tab.id or "tab-0").removeprefix("tab-")) - (len(self._watched) > 1)
        if place < 0:
            self._switch(ALL)
            return
        self._shown = self._watched[place]
        if self.view == ALL:
            self._switch("overview")
        self._draw()
        await self._list()

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the gateway or the session of a row."""
        key = event.row_key.value or ""
        if event.data_table.id == "all":
            self.query_one(Tabs).active = f"tab-{self._names.index(key) + 1}"
        elif event.data_table.id == "sessions":
            await self.app.push_screen(SessionScreen(self._shown.reader, key))

    async def on_input_changed(self, _: Input.Changed) -> None:
        """Search for what is written."""
        await self._list()

    def on_input_submitted(self, _: Input.Submitted) -> None:
        """Go from the search to what it found."""
        self.query_one("#sessions", DataTable).focus()

    async def action_view(self, name: str) -> None:
        """Show another view of the gateway."""
        if self.view == ALL:
            self.query_one(Tabs).active = f"tab-{self._watched.index(self._shown) + 1}"
        self._switch("sessions-pane" if name == "sessions" else name)
        await self._list()

    async def action_search(self) -> None:
        """Go to the search of sessions."""
        await self.action_view("sessions")
        self.query_one("#search", Input).focus()

    def action_turn(self, step: int) -> None:
        """Go to the gateway on the left or right."""
        tabs = self.query_one(Tabs)
        if step > 0:
            tabs.action_next_tab()
        else:
            tabs.action_previous_tab()

    def action_move(self, way: str) -> None:
        """Go up or down in what is shown."""
        if self.view == "overview":
            view = self.query_one("#overview", VerticalScroll)
            (view.scroll_down if way == "down" else view.scroll_up)()
            return
        table = self.query_one("#all" if self.view == ALL else "#sessions", DataTable)
        table.focus()
        (table.action_cursor_down if way == "down" else table.action_cursor_up)()

    async def action_leave(self) -> None:
        """Clear the search, then go back to the overview, then to all."""
        search = self.query_one("#search", Input)
        if self.view == "sessions-pane" and search.value:
            search.value = ""
            self.query_one("#sessions", DataTable).focus()
        elif self.view == "sessions-pane":
            self._switch("overview")
        elif len(self._watched) > 1:
            self.query_one(Tabs).active = "tab-0"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - textual's
        """Offer to go to another gateway where there is one (textual)."""
        return action != "turn" or len(self._watched) > 1

    def draw_again(self) -> None:
        """Draw what is there once more, in other colours."""
        self.call_after_refresh(self._draw)

    def _switch(self, view: str) -> None:
        self._views.current = view
        if view != "overview":
            self.query_one("#all" if view == ALL else "#sessions", DataTable).focus()
        self.call_after_refresh(self._draw)
