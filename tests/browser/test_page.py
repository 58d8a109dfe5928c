"""The page at ``/`` in a browser: seen in both sizes and themes, led by keys, without a token, without a gateway."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import SIZES, faint, number, settled, sideways
from tests.support.admin_stand_in import LONG, StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.looking import Looking

TOKEN = "token-of-the-operators"
VIEWS = ("/", "/#/sessions", f"/#/sessions/{3:032x}")


CUT = """() => [...document.querySelectorAll(".scroll, .upstreams td.n, .what, .lanes span, .event .n")].filter(
  (one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"""


@pytest.mark.parametrize("size", SIZES)
async def test_no_number_is_cut_and_no_card_scrolls_sideways(looking: Looking, size: str) -> None:
    server = await StandIn.busy().start()
    try:
        for path in VIEWS:
            page = await looking.open(server.address, path, size=size, reduced_motion="reduce")
            await settled(page)
            if path == VIEWS[-1]:
                await page.locator(".timeline .event").first.wait_for()
            assert await page.evaluate(CUT) == [], path
            await page.context.close()
    finally:
        await server.stop()


async def test_time_is_the_gateways_and_charts_begin_where_it_began(looking: Looking) -> None:
    """The browser's clock is an hour fast; ages are right nevertheless. And what there is fills the charts."""
    stand_in = StandIn.busy(1)
    stand_in.seconds = 100
    stand_in.sessions[0] |= {"since": time.time() - 30, "last_activity": time.time() - 10}
    server = await stand_in.start()
    try:
        page = await looking.open(server.address)
        await page.add_init_script("const now = Date.now; Date.now = () => now() + 3_600_000;")
        await page.reload()
        await settled(page)
        left = await page.evaluate("document.querySelector('.trace .line').getAttribute('d')")
        assert float(left[1:].split()[0]) < 5
        assert "since the start" in await page.inner_text(".told")
        ejected = await page.inner_text(".upstreams tbody tr:first-child")
        assert re.search(r"for \d+ s more|for 1 m", ejected), ejected
        await page.keyboard.press("s")
        assert re.fullmatch(r"3\d s", await page.inner_text(".sessions .age"))
        await page.locator(".sessions a").click()
        await page.locator(".session .facts", has_text=re.compile(r"Quiet for\s*1\d s")).wait_for()
    finally:
        await server.stop()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES)
async def test_everything_is_readable_and_nothing_is_cut(looking: Looking, size: str, theme: str) -> None:
    server = await StandIn.busy().start()
    try:
        for path in VIEWS:
            page = await looking.open(server.address, path, size=size, theme=theme, reduced_motion="reduce")
            await settled(page)
            assert await sideways(page) <= 0, path
            assert await faint(page) == [], path
            assert await page.evaluate("window.violations") == []
            await page.context.close()
    finally:
        await server.stop()


async def test_the_numbers_are_those_of_the_gateway(looking: Looking) -> None:
    stand_in = StandIn.busy()
    server = await stand_in.start()
    try:
        page = await looking.open(server.address)
        await settled(page)
        assert await number(page, "total.requests") == "4,394,755"
        assert await number(page, "total.refused") == "58,580"
        assert (await number(page, "sessions.attached"), await number(page, "sessions.detached")) == ("171", "29")
        assert await number(page, "queue.length") == "8,400"
        assert await number(page, "refused.request.message-rate") == "48,211"
        assert await number(page, "latency.total.p99") == "20.7 ms"
        assert "ejected" in await page.inner_text(".upstreams tbody tr:first-child")
        assert "fails 31 % of its calls" in await page.inner_text(".upstreams tbody tr:first-child")
        assert "2 of 4 well" in await page.inner_text(".card-upstreams header")
        await page.get_by_role("button", name="Since start").click()
        assert await number(page, "latency.total.count") == "4,394,723"
        told = await page.inner_text(".told")
        await page.hover(".heat-cells", position={"x": 400, "y": 80})
        assert await page.inner_text(".told") != told
    finally:
        await server.stop()


async def test_a_gateway_that_has_just_started_has_nothing_to_show(looking: Looking) -> None:
    stand_in = StandIn.calm()
    stand_in.absent = {"/latency"}
    server = await stand_in.start()
    try:
        page = await looking.open(server.address)
        await settled(page)
        for told in ("Nothing was refused", "No upstream is known", "This gateway does not tell that"):
            await page.get_by_text(told).wait_for()
        assert await faint(page) == []
        await page.keyboard.press("s")
        await page.get_by_text("No sessions").wait_for()
    finally:
        await server.stop()


async def test_all_of_it_is_reached_by_keys(looking: Looking) -> None:
    server = await StandIn.busy().start()
    try:
        page = await looking.open(server.address)
        await settled(page)
        press = page.keyboard.press
        await press("?")
        await page.get_by_role("dialog", name="Keys").wait_for()
        await press("Escape")
        await press("/")
        await page.keyboard.type("player-0001")
        await page.get_by_text("1–10 of 10", exact=True).wait_for()
        await press("ArrowDown")
        await press("j")
        await press("ArrowDown")
        await press("k")
        assert await page.evaluate("document.activeElement.dataset.id") == f"{11:032x}"
        await press("Enter")
        panel = page.get_by_role("region", name="Session", exact=True)
        await panel.get_by_text("player-00011").wait_for()
        await panel.get_by_text("504").wait_for()
        assert await page.locator(".timeline .event").count() == 11
        await press("Escape")
        await panel.wait_for(state="detached")
        assert await page.evaluate("document.activeElement.dataset.id") == f"{11:032x}"
        await press("Escape")
        await page.get_by_text("1–50 of 200", exact=True).wait_for()
        await press("Escape")
        await page.locator("[data-view=overview].view").wait_for()
        before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await press("t")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        await page.reload()
        assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    finally:
        await server.stop()


async def test_the_list_has_pages_and_names_stay_text(looking: Looking) -> None:
    server = await StandIn.busy().start()
    try:
        page = await looking.open(server.address, "/#/sessions")
        await page.get_by_role("button", name="Next").click()
        await page.get_by_text("51–100 of 200", exact=True).wait_for()
        await page.get_by_role("button", name="Previous").click()
        await page.get_by_role("button", name="Detached").click()
        await page.get_by_text("1–29 of 29", exact=True).wait_for()
        await page.get_by_role("button", name="All").click()
        await page.get_by_role("searchbox").fill("very-long")
        await page.get_by_text("1–7 of 7", exact=True).wait_for()
        await page.locator(".sessions a").first.click()
        await page.get_by_role("heading", name=LONG).wait_for()
        assert await page.locator(".session h2 b").count() == 0
        await page.get_by_role("searchbox").fill("nobody")
        await page.get_by_text("No session matches").wait_for()
        await page.goto(page.url.partition("#")[0] + "#/sessions/of-nobody")
        await page.get_by_text("The gateway knows this session no more").wait_for()
    finally:
        await server.stop()


async def test_the_token_is_asked_for_and_kept_in_this_tab_alone(looking: Looking, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN + "\n")
    tokens.chmod(0o600)
    server = await StandIn.busy().start(token_file=tokens)
    try:
        page = await looking.open(server.address)
        await page.get_by_role("dialog", name="Token").wait_for()
        assert await faint(page) == []
        box = "(name) => document.querySelector(`dialog ${name}`).getBoundingClientRect().width"
        assert await page.evaluate(box, "button") == await page.evaluate(box, "input")
        assert await page.evaluate("document.documentElement.clientWidth === innerWidth"), "a strip beside the backdrop"
        await page.get_by_role("textbox", name="Token").fill("a-token-of-nobody")
        await page.keyboard.press("Enter")
        await page.get_by_text("does not take this token").wait_for()
        await page.get_by_role("textbox", name="Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await settled(page)
        assert await number(page, "total.requests") == "4,394,755"
        assert TOKEN not in page.url
        stores = "[JSON.stringify({...localStorage}), document.cookie, JSON.stringify({...sessionStorage})]"
        local, cookie, tab = await page.evaluate(stores)
        assert (TOKEN in local, TOKEN in cookie, TOKEN in tab) == (False, False, True)
        await page.reload()
        await settled(page)
    finally:
        await server.stop()


async def test_a_gateway_that_stops_leaves_what_was_last_seen_and_comes_back(looking: Looking) -> None:
    stand_in = StandIn.busy()
    server = await stand_in.start()
    try:
        page = await looking.open(server.address)
        await settled(page)
        await server.stop()
        banner = page.get_by_role("alert").filter(has_text="The gateway does not answer")
        await banner.wait_for()
        assert "What you see is from" in await banner.inner_text()
        assert await page.inner_text("#pill") == "No answer"
        assert await number(page, "total.requests") == "4,394,755"
        assert await faint(page) == []
        server = await stand_in.start(port=server.address[1])
        await banner.wait_for(state="hidden")
        assert await page.inner_text("#pill") == "Live"
    finally:
        await server.stop()
