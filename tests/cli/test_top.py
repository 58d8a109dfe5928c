"""``quicgw top``: what it shows of gateways, how it is led by keys, and what it says where it cannot draw."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import re
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from textual.widgets import DataTable, Input, Static

from quicgw_fast.cli.asking import AdminPages
from quicgw_fast.cli.watch import figures
from quicgw_fast.cli.watch.app import WatchApp
from quicgw_fast.cli.watch.reading import GatewayReader, Watched, search
from quicgw_fast.client import connect
from tests.cli.process import assert_one_sentence, in_process
from tests.support.admin_stand_in import StandIn
from tests.support.pages import page as ask_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from textual.pilot import Pilot

    from quicgw_fast.control import AdminServer
    from tests.cli.process import Gateway

NOWHERE = "127.0.0.1:9"
SIZE = (140, 40)


def watching(*addresses: str, period: float = 1.0) -> WatchApp:
    return WatchApp([Watched(GatewayReader(AdminPages(each, None, 5.0))) for each in addresses], period)


async def until(pilot: Pilot[None], condition: Callable[[], bool], what: str) -> None:
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.025)
    raise AssertionError(f"{what} did not come: {seen(pilot)}")


def seen(pilot: Pilot[None]) -> str:
    """All text on the screen."""
    compositor = pilot.app.screen._compositor
    return "\n".join("".join(segment.text for segment in strip) for strip in compositor.render_strips())


async def shows(pilot: Pilot[None], *texts: str) -> None:
    await until(pilot, lambda: all(text in seen(pilot) for text in texts), " and ".join(texts))


@contextlib.asynccontextmanager
async def serving(stand_in: StandIn) -> AsyncIterator[str]:
    """Yield the admin address of a stand-in."""
    server = await stand_in.start()
    try:
        yield f"127.0.0.1:{server.address[1]}"
    finally:
        await server.stop()


async def test_one_gateway_at_a_glance() -> None:
    async with serving(StandIn.busy()) as address, watching(address).run_test(size=SIZE) as pilot:
        await shows(pilot, f"● {address}", "total 4,394,755", "total 58,580", "171 attached", "29 detached")
        await shows(pilot, "8,400 / 10,000", "20.7 ms", "▲ ejected", "fails 31 % of its calls", "○ drained", "48,211")
        await pilot.press("t")
        assert pilot.app.theme == "quicgw-light"
        await shows(pilot, "total 4,394,755")


@pytest.mark.parametrize("size", [(60, 40), (80, 24), (200, 60)])
async def test_it_fits_into_any_terminal(size: tuple[int, int]) -> None:
    async with serving(StandIn.busy()) as address, watching(address).run_test(size=size) as pilot:
        await shows(pilot, "total 4,394,755", "o overview")
        assert all(len(line) <= size[0] for line in seen(pilot).splitlines())


async def test_a_gateway_without_clients() -> None:
    async with serving(StandIn.calm()) as address, watching(address).run_test(size=SIZE) as pilot:
        await shows(pilot, "collecting", "Nothing was refused", "No upstream is known", "no requests in the last")
        await pilot.press("s")
        await shows(pilot, "No sessions.")


async def test_sessions_are_searched_and_one_is_opened() -> None:
    async with serving(StandIn.busy()) as address, watching(address).run_test(size=SIZE) as pilot:
        await pilot.press("slash")
        await pilot.press(*"gid:70003")
        await shows(pilot, "1 of 1", "an-openid-that-somebody-made-very-l…")
        await pilot.press("enter")
        assert isinstance(pilot.app.focused, DataTable)
        await pilot.press("enter")
        await shows(pilot, "<b>&amp;", "▲ 504", "30s quiet", "├─────────────▶", "127.0.3.1:40003")
        await pilot.press("j", "j", "k")
        assert pilot.app.screen.query_one("#events", DataTable).cursor_row == 1
        await pilot.press("escape")
        assert pilot.app.screen.query_one("#search", Input).value == "gid:70003"
        await pilot.press("escape")
        await shows(pilot, "100 of 200; search for the others")
        await pilot.press("j", "j")
        assert pilot.app.screen.query_one("#sessions", DataTable).cursor_row == 5, "two below the one that was open"
        await pilot.press("o")
        await shows(pilot, "total 4,394,755")


async def test_several_gateways_side_by_side() -> None:
    async with (
        serving(StandIn.busy()) as first,
        serving(StandIn.calm()) as second,
        watching(first, second, NOWHERE).run_test(size=SIZE) as pilot,
    ):
        await shows(pilot, "requests/s", f"● {first}", f"● {second}", f"▲ {NOWHERE}", "134MiB")
        await pilot.press("j", "enter")
        await shows(pilot, "No upstream is known")
        await pilot.press("left")
        await shows(pilot, "fails 31 % of its calls")
        await pilot.press("right", "right")
        await shows(pilot, f"▲ {NOWHERE} is down. Trying again: no answer")
        assert "total" not in seen(pilot), "what belongs to another gateway"
        await pilot.press("escape")
        await shows(pilot, "requests/s")


async def test_a_gateway_that_goes_is_shown_as_down_and_comes_back() -> None:
    stand_in = StandIn.busy()
    server = await stand_in.start()
    address = f"127.0.0.1:{server.address[1]}"
    async with watching(address, period=0.2).run_test(size=SIZE) as pilot:
        await shows(pilot, "total 4,394,755")
        await server.stop()
        await shows(pilot, f"▲ {address}", "is down; what you see is from", "total 4,394,755")
        server = await stand_in.start(port=server.address[1])
        await shows(pilot, f"● {address}")
        await until(pilot, lambda: not pilot.app.screen.query_one("#trouble", Static).display, "an end of the trouble")
    await server.stop()


async def test_the_numbers_are_those_of_a_real_gateway(dev: Gateway) -> None:
    async with connect(dev.quic, openid="watched-from-a-terminal", insecure=True) as client:
        await client.call("before", params={"count": "2"})
        await client.call("echo", data=b"x")
        async with watching(dev.admin, period=0.2).run_test(size=SIZE) as pilot:
            _, metrics = await ask_admin(dev.admin, "/metrics")
            for name in ("requests", "replies", "notifies"):
                (total,) = re.findall(rf"^quicgw_{name}_total (\S+)", metrics, re.MULTILINE)
                await shows(pilot, f"total {float(total):,.0f}")
            await shows(pilot, "● well", "attached", "upstream")
            await pilot.press("slash")
            await pilot.press(*"openid:watched-from-a-terminal")
            await shows(pilot, "1 of 1")
            await pilot.press("enter", "enter")
            await shows(pilot, client.session_id, "request 2", "reply", "notify", "bound")


# Without a screen


@pytest.fixture
def stand_in_thread() -> Iterator[str]:
    """The address of a busy gateway that does not need the test's own loop."""
    ready: queue.Queue[tuple[asyncio.AbstractEventLoop, AdminServer]] = queue.Queue()

    async def serve() -> None:
        server = await StandIn.busy().start()
        ready.put((asyncio.get_running_loop(), server))
        await server._task

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, server = ready.get(timeout=20)
    yield f"127.0.0.1:{server.address[1]}"
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=20)
    thread.join(timeout=20)


def test_for_a_script(stand_in_thread: str) -> None:
    done = in_process("top", "--once", "--json", stand_in_thread)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    (gateway,) = told["gateways"]
    assert (told["version"], gateway["admin"], gateway["up"]) == (1, stand_in_thread, True)
    assert gateway["performance"]["totals"]["requests"] == 4_394_755
    assert set(gateway) >= {"latency", "upstreams", "overload", "at"}


def test_one_that_is_down_is_told_and_the_others_are_shown(stand_in_thread: str) -> None:
    done = in_process("top", "--once", "--json", stand_in_thread, NOWHERE)
    assert done.returncode == 3
    up, down = json.loads(done.stdout)["gateways"]
    assert (up["up"], down["up"]) == (True, False)
    assert "no answer" in down["error"]
    done = in_process("top", "--once", stand_in_thread, NOWHERE)
    assert done.returncode == 3
    for told in (
        "4,394,755 in all",
        "171 attached, 29 detached",
        "business 127.0.0.2:9002 ejected",
        f"{NOWHERE}  down",
    ):
        assert told in done.stdout


def test_without_textual_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quicgw_fast.cli.top.is_terminal", lambda: True)
    monkeypatch.delitem(sys.modules, "quicgw_fast.cli.watch.app")
    monkeypatch.setitem(sys.modules, "textual", None)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    done = in_process("top")
    assert done.returncode == 3
    assert_one_sentence(done)
    assert "pip install 'quicgw-fast[top]'" in done.stderr


def test_what_is_no_terminal_is_not_drawn_in() -> None:
    done = in_process("top", NOWHERE)
    assert done.returncode == 3
    assert_one_sentence(done)
    assert "quicgw top --once" in done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["127.0.0.1:0"], ["--json"], ["--every", "0"]])
def test_mistakes_of_usage(arguments: list[str]) -> None:
    assert in_process("top", *arguments).returncode == 2


# Figures


def test_a_search_has_words_and_fields() -> None:
    assert search("gid:7 ali bob") == {"gid": "7", "q": "ali bob"}
    assert search("state:detached address:[::1]:9 colour:red") == {
        "state": "detached",
        "address": "[::1]:9",
        "q": "colour:red",
    }
    assert search("  ") == {}


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (figures.rate(None), "–"), (figures.rate(0), "0"), (figures.rate(0.4), "0.4"), (figures.rate(12_345), "12.3k"),
        (figures.took(0.00000231), "2.31 µs"), (figures.took(0.0009996), "1.00 ms"), (figures.took(0.99949), "999 ms"),
        (figures.took(12.34), "12.3 s"), (figures.took(0), "0 ms"), (figures.took(125), "2m5s"),
        (figures.percent(0.034), "3.4 %"), (figures.percent(1.27), "127 %"), (figures.count(1234567), "1,234,567"),
        (figures.bound(0.0025), "2.5 ms"), (figures.bound(10.0), "10 s"), (figures.bar(0.5, 4), "██  "),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(shown: str, text: str) -> None:
    assert shown == text


def test_a_chart_keeps_every_peak_and_ends_with_now() -> None:
    assert figures.area([0, 0, 8, 0], 4, 1, 1.0) == ["  █ "]
    assert figures.area([8, 0, 0, 0], 2, 1, 1.0) == ["█ "]
    assert figures.area([4], 3, 2, 8.0) == ["   ", "  █"]
    assert figures.area([], 3, 1, 1.0) == ["   "]


def test_a_heat_map_shows_what_is_there_and_what_is_rare() -> None:
    rows, steps = figures.heat([[0, 100, 0, 0], [0, 0, 1, 0]], 8, 4)
    assert list(rows) == [3, 2, 1, 0]
    assert steps == [[0, 0], [0, 1], [8, 0], [0, 0]]
    rows, steps = figures.heat([[0, 100, 0, 0], [0, 0, 1, 0]], 8, 2)
    assert (list(rows), steps) == ([3, 1], [[0, 1], [8, 0]]), "two classes in a row, and none left out"
    assert figures.heat([], 8, 4) == (range(0), [])
    assert figures.heat([[0, 0]], 8, 4) == (range(0), [])
