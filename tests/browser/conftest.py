"""A browser that is there: Debian's Chromium, driven by playwright; without one of them these tests are skipped."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.browser.looking import FLAGS, Looking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest_asyncio.fixture
async def looking() -> AsyncIterator[Looking]:
    """Opens pages, and knows what went wrong on any of them."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed: make test-page")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: make test-page says how to get it")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        looking = Looking(browser)
        try:
            yield looking
        finally:
            await browser.close()
    looking.assert_clean()
