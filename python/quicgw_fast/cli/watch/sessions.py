"""The list of sessions with its search, and one session with what was said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from quicgw_fast.cli.tables import amount, lasting
from quicgw_fast.cli.watch import figures
from quicgw_fast.cli.watch.looks import tone
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from quicgw_fast.cli.watch.reading import GatewayReader

COLUMNS: Final = ("openid", "state", "gid", "address", "age", "quiet", "in flight")
LONGEST: Final = 36
"""Characters of an openid in the list."""
EVERY: Final = 2.0
"""Seconds between two looks at one session."""
PAUSE: Final = 2.0
"""Seconds without a message that are worth a line."""


class SessionsPane(Vertical):
    """The sessions of one gateway. A row that is chosen is a message of the table, which the app takes."""

    def compose(self) -> ComposeResult:
        """Make search, table and what is told below it."""
        yield Input(placeholder="search openid, gid or address; gid:7 asks for that gid alone", id="search")
        yield DataTable(cursor_type="row", zebra_stripes=False, id="sessions")
        yield Static(id="sessions-told")

    def on_mount(self) -> None:
        """Give the table its columns."""
        table = self.query_one("#sessions", DataTable)
        for place, name in enumerate(COLUMNS):
            table.add_column(Text(name, justify="right" if place > 3 else "left"), key=name)

    @property
    def words(self) -> str:
        """What is searched for."""
        return self.query_one("#search", Input).value

    def show(self, found: dict[str, Any]) -> None:
        """Show what a search found; the cursor stays on its session."""
        table = self.query_one("#sessions", DataTable)
        rows = {session["id"]: self._cells(session, found["at"]) for session in found["sessions"]}
        if [row.value for row in table.rows] == list(rows):
            for name, cells in rows.items():
                for column, cell in zip(COLUMNS, cells, strict=True):
                    table.update_cell(name, column, cell)
        else:
            self._replace(table, rows)
        self.query_one("#sessions-told", Static).update(self._told(len(rows), found["total"]))

    def tell(self, trouble: str) -> None:
        """Say why there is no list."""
        self.query_one("#sessions-told", Static).update(trouble)

    def _replace(self, table: DataTable[Text], rows: dict[str, list[Text]]) -> None:
        at = table.cursor_row
        here = [row.value for row in table.rows][at : at + 1]
        table.clear()
        for name, cells in rows.items():
            table.add_row(*cells, key=name)
        if here and here[0] in rows:
            table.move_cursor(row=list(rows).index(here[0]))

    def _told(self, shown: int, total: int) -> str:
        if shown:
            more = "; search for the others" if total > shown else ""
            return f"{figures.count(shown)} of {figures.count(total)}{more}"
        return "No session matches; Esc clears the search." if self.words else "No sessions."

    def _cells(self, session: dict[str, Any], now: float) -> list[Text]:
        openid = session["openid"]
        shown = openid if len(openid) <= LONGEST else openid[: LONGEST - 1] + "…"
        meaning, word = ("success", "● attached") if session["attached"] else ("warning", "◐ detached")
        state = Text(word, tone(self, meaning))
        if session["state"] != "NORMAL":
            state.append(f" {session['state'].lower()}", "dim")
        numbers = (lasting(now - session["since"]), lasting(now - session["last_activity"]))
        return [
            Text(shown, "bold"),
            state,
            Text(session["gid"] or figures.NOTHING),
            Text(session["address"] or figures.NOTHING),
            *(Text(number, justify="right") for number in numbers),
            Text(figures.count(session["in_flight"]), justify="right"),
        ]


class SessionScreen(ModalScreen[None]):
    """One session over the rest: who it is, and its messages, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "back"),
        Binding("j,down", "down", "older", show=False),
        Binding("k,up", "up", "newer", show=False),
    ]

    def __init__(self, reader: GatewayReader, session_id: str) -> None:
        super().__init__()
        self._reader = reader
        self._session_id = session_id

    def compose(self) -> ComposeResult:
        """Make the box."""
        with Vertical(id="session"):
            yield Static(id="session-name")
            yield Horizontal(Static(id="facts-left"), Static(id="facts-right"), id="facts")
            yield DataTable(cursor_type="row", show_header=True, id="events")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        table = self.query_one("#events", DataTable)
        table.add_columns("time", "client  gateway", "message", "size", "took", "outcome")
        self.run_worker(self._follow())

    def action_down(self) -> None:
        """Go to an older message."""
        self.query_one("#events", DataTable).action_cursor_down()

    def action_up(self) -> None:
        """Go to a newer message."""
        self.query_one("#events", DataTable).action_cursor_up()

    async def _follow(self) -> None:
        while True:
            try:
                self._show(await asyncio.to_thread(self._reader.session, self._session_id))
            except StartupError as error:
                self.query_one("#session-name", Static).update(Text(str(error), tone(self, "error", "bold")))
            await asyncio.sleep(EVERY)

    def _show(self, session: dict[str, Any]) -> None:
        ended, now = session["state"] == "CLOSED", session["at"]
        state = "○ ended" if ended else "● attached" if session["attached"] else "◐ detached"
        self.query_one("#session-name", Static).update(Text(session["openid"], "bold").append(f"   {state}", "dim"))
        left = {"session": session["id"], "gid": session["gid"], "zone": session["zone"], "address": session["address"]}
        window = f"{figures.count(session['window_messages'])}, {amount(session['window_bytes'])}"
        right = {
            "transport": session["transport"],
            "began": f"{figures.clock(session['since'])}, {lasting(now - session['since'])} ago",
            "quiet for": lasting(now - session["last_activity"]),
            "unacknowledged": window,
        }
        for place, facts in (("left", left), ("right", right)):
            self.query_one(f"#facts-{place}", Static).update(_facts(facts))
        self._show_events(session.get("events", []))

    def _show_events(self, events: list[dict[str, Any]]) -> None:
        table = self.query_one("#events", DataTable)
        at = table.cursor_row
        table.clear()
        for event, before in zip(events[::-1], [*events[-2::-1], None], strict=True):
            table.add_row(*self._event(event))
            if before is not None and event["at"] - before["at"] >= PAUSE:
                table.add_row("", Text("· · ·", "dim"), Text(f"{lasting(event['at'] - before['at'])} quiet", "dim"))
        table.move_cursor(row=at)

    def _event(self, event: dict[str, Any]) -> list[Text]:
        up, bad = event["direction"] == "up", _is_bad(event)
        arrow = Text("├─────────────▶" if up else "◀─────────────┤", tone(self, "primary" if up else "success"))
        number = f" {event['number']}" if event["number"] else ""
        number += f" to {event['request']}" if event["request"] else ""
        return [
            Text(figures.clock(event["at"], thousandths=True), "dim"),
            arrow,
            Text(event["kind"], "bold").append(number, "dim"),
            Text(amount(event["size"]) if event["size"] else "", justify="right"),
            Text(figures.took(event["duration"]) if event["duration"] else "", justify="right"),
            Text(f"▲ {event['outcome']}", tone(self, "error", "bold")) if bad else Text(event["outcome"], "dim"),
        ]


def _facts(facts: dict[str, object]) -> Text:
    shown = Text(no_wrap=True, overflow="ellipsis")
    for name, value in facts.items():
        shown.append(f"{name:<15}", "dim").append(f"{value or figures.NOTHING}\n")
    return shown


def _is_bad(event: dict[str, Any]) -> bool:
    """Whether somebody should look: an error, a push that was refused, a connection that did not end as it should."""
    outcome = event["outcome"]
    refused = outcome.isupper() and outcome != "NORMAL"
    return event["kind"] == "error" or refused or (outcome.isdigit() and int(outcome) >= 400)
