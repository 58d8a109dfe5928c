"""The page at ``/`` as somebody sees it, on a phone and on a desk, and what went wrong meanwhile."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page, Request

FLAGS: Final = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES: Final = {"phone": (390, 844), "desk": (1440, 900)}
PATIENCE: Final = 15_000
"""Milliseconds until something has to be seen."""

_REFUSED = re.compile(r"Failed to load resource: (the server responded with a status of 40[14]|net::ERR_)")
"""A browser says that of its own accord whenever a question has no good answer; the page cannot keep it from that."""

_WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""

# Contrast as WCAG 2.1 §1.4.3 has it, of every text that is seen, on whatever is behind it.
_FAINT = """() => {
  const channel = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.95) return colour;
    }
    return rgba(getComputedStyle(document.body).backgroundColor);
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || element.disabled || !element.checkVisibility() || element.closest(".unseen, .skip")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""


class Looking:
    """Opens pages in a browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._wrong: list[str] = []

    async def open(
        self, address: tuple[str, int], path: str = "/", *, size: str = "desk", theme: str = "dark", **options: Any
    ) -> Page:
        """Open a page of the admin address in a window, and a profile, of its own."""
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        context = await self._browser.new_context(viewport=viewport, color_scheme=theme, **options)
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        await page.add_init_script(_WATCH_POLICY)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._wrong.append(f"error: {error}"))
        page.on("request", lambda request: self._asked(request, address))
        answer = await page.goto(f"http://{address[0]}:{address[1]}{path}")
        assert answer is not None
        assert "script-src 'self'" in (await answer.header_value("content-security-policy") or "")
        return page

    def assert_clean(self) -> None:
        """Nothing was said in the console, nothing failed, and nobody else was asked for anything."""
        assert not self._wrong, "\n".join(self._wrong)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _REFUSED.match(message.text):
            self._wrong.append(f"console: {message.text}")

    def _asked(self, request: Request, address: tuple[str, int]) -> None:
        if urlsplit(request.url).netloc != f"{address[0]}:{address[1]}":
            self._wrong.append(f"asked elsewhere: {request.url}")


async def faint(page: Page) -> list[str]:
    """Texts with less contrast than WCAG's AA asks for."""
    return list(await page.evaluate(_FAINT))


async def sideways(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def number(page: Page, name: str) -> str:
    """What stands at a number's place."""
    return (await page.inner_text(f'[data-number="{name}"]')).strip()


async def until(page: Page, expression: str) -> None:
    """Wait until something holds; playwright's own way needs ``eval``, which the page's policy forbids."""
    async with asyncio.timeout(PATIENCE / 1000):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.05)


async def settled(page: Page) -> None:
    """Wait until the page has asked, and shows what was answered."""
    await until(page, "document.body.dataset.link === 'live'")
    await until(page, "!document.querySelector('.bones')?.checkVisibility()")
