"""``make screenshots``: the pictures of docs/howto/watch.md, of a gateway that works, in docs/images.

The gateway is a real one with its embedded services, and the load is that of ``quicgw bench``. It takes as long as a
history that is worth looking at: some five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from quicgw_fast.cli.asking import AdminPages
from quicgw_fast.cli.watch.app import WatchApp
from quicgw_fast.cli.watch.reading import GatewayReader, Watched
from tests.browser.conftest import CHROMIUM
from tests.browser.looking import FLAGS, SIZES, Looking, settled
from tests.support.gateway_process import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LARGEST = 150 << 10
"""Bytes of a picture."""
ROOM = (140, 32)
"""Columns and lines of the terminal."""
LOAD = (
    ("--sessions", "120", "--rate", "260", "--action", "echo=8", "--action", "time=2"),
    ("--sessions", "40", "--rate", "60", "--action", "before=1", "--action", "after=1", "--param", "count=2"),
)
SLOW = ("--sessions", "6", "--rate", "3", "--action", "sleep=1", "--param", "ms=400")

# The most frequent colours that can be told apart, and for each other one the nearest of them.
FEW_COLOURS = """async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const { width, height } = image;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer);
  const seen = new Map();
  for (const pixel of pixels) seen.set(pixel, (seen.get(pixel) ?? 0) + 1);
  const parts = (pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
  const distance = ([r, g, b], [x, y, z]) => (x - r) ** 2 + (y - g) ** 2 + (z - b) ** 2;
  const kept = [];
  for (const [pixel] of [...seen].sort((a, b) => b[1] - a[1])) {
    if (kept.length < 256 && kept.every((one) => distance(one, parts(pixel)) > 60)) kept.push(parts(pixel));
  }
  const nearest = new Map();
  for (const pixel of seen.keys()) {
    const far = kept.map((one) => distance(one, parts(pixel)));
    nearest.set(pixel, far.indexOf(Math.min(...far)));
  }
  let indexes = "";
  for (const pixel of pixels) indexes += String.fromCharCode(nearest.get(pixel));
  return [width, height, kept.flat(), btoa(indexes)];
}"""


async def main() -> None:
    """Load a gateway, look at it, and keep what is seen."""
    wanted = argparse.ArgumentParser(description="Make the pictures in docs/images.")
    wanted.add_argument("--seconds", type=float, default=305.0, help="how long the gateway works before that")
    seconds = wanted.parse_args().seconds
    IMAGES.mkdir(exist_ok=True)
    async with GatewayProcess.dev() as gateway, loaded(gateway, seconds):
        await asyncio.sleep(seconds)
        host, _, port = gateway.ready.admin.rpartition(":")
        await of_the_page((host, int(port)))
        await of_the_terminal(gateway.ready.admin)
    for picture in sorted(IMAGES.iterdir()):
        size = picture.stat().st_size
        print(f"{picture.name}: {size / 1024:.0f} KiB")
        if size > LARGEST:
            sys.exit(f"{picture.name} has {size} bytes; at most {LARGEST} are wanted")


@contextlib.asynccontextmanager
async def loaded(gateway: GatewayProcess, seconds: float) -> AsyncIterator[None]:
    """Clients of several kinds, until the block ends."""
    host, port = gateway.ready.quic
    base = ["bench", f"{host}:{port}", "--insecure", "--duration", f"{seconds + 60:.0f}s", "--json"]
    loads = [GatewayProcess(*base, *each) for each in (*LOAD, SLOW)]
    try:
        for each in loads:
            await each.launch()
        yield
    finally:
        for each in loads:
            await each.kill()


async def of_the_page(address: tuple[str, int]) -> None:
    """The overview on a desk and on a phone, and a session."""
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        looking, blank = Looking(browser), await browser.new_page()
        for name, size, theme, path in (
            ("page-desk-dark", "desk", "dark", "/"),
            ("page-phone-light", "phone", "light", "/"),
            ("page-session-dark", "desk", "dark", "/#/sessions"),
        ):
            page = await looking.open(address, path, size=size, theme=theme, reduced_motion="reduce")
            await settled(page)
            if "sessions" in path:
                await page.locator(".sessions a").nth(2).click()
                await page.locator(".timeline .event").first.wait_for()
            await page.wait_for_timeout(2500)
            await keep(page, name, blank)
        await browser.close()
        looking.assert_clean()


async def keep(page: Page, name: str, blank: Page) -> None:
    """Keep all of the page on a desk, what is in the window on a phone, and of a session its own part."""
    if "session" in name:
        data = await page.locator(".card.session").screenshot()
    else:
        data = await page.screenshot(full_page="desk" in name)
    (IMAGES / f"{name}.png").write_bytes(await smaller(data, blank))


async def smaller(png: bytes, blank: Page) -> bytes:
    """Return a picture with 256 colours: these pages have few, and the shades at the edges of letters."""
    width, height, palette, indexes = await blank.evaluate(FEW_COLOURS, base64.b64encode(png).decode())
    rows = base64.b64decode(indexes)
    unfiltered = b"".join(b"\0" + rows[at : at + width] for at in range(0, len(rows), width))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(palette)),
        (b"IDAT", zlib.compress(unfiltered, 9)),
        (b"IEND", b""),
    ]
    return png[:8] + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )


async def of_the_terminal(admin: str) -> None:
    """The overview of ``quicgw top``."""
    app = WatchApp([Watched(GatewayReader(AdminPages(admin, None, 5.0)))], 1.0)
    async with app.run_test(size=ROOM) as pilot:
        await pilot.pause(3.0)
        (IMAGES / "top.svg").write_text(app.export_screenshot(), encoding="utf-8")


if __name__ == "__main__":
    assert set(SIZES) == {"phone", "desk"}
    asyncio.run(main())
