"""Pages for operators: each is done from an empty folder on, as written, by somebody who has the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.howto import DOCS
from tests.support.walkthrough import Walkthrough

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", ["jwt", "tls", "zones", "offline-store", "load-balancers", "migrating"])
async def test_the_page(page: str, tmp_path: Path) -> None:
    async with Walkthrough(tmp_path, installed=True) as reader:
        await reader.follow(DOCS / "howto" / f"{page}.md")
