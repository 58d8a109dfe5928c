"""Pages for operators: each is done from an empty folder on, as written, by somebody who has the command."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.flow.store_metrics import register_store
from quicgw_fast.observe import Metrics
from quicgw_fast.observe.exposition import exported
from quicgw_fast.store import MemoryStore
from tests.support.howto import DOCS
from tests.support.walkthrough import Walkthrough

if TYPE_CHECKING:
    from pathlib import Path

DONE = (
    *(
        f"howto/{name}.md"
        for name in ("jwt", "tls", "zones", "offline-store", "devices", "load-balancers", "migrating")
    ),
    *(f"explanation/{name}.md" for name in ("order-and-resume", "engines")),
)
"""Pages with something to do."""
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.parent.name in ("howto", "explanation"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", DONE)
async def test_the_page(page: str, tmp_path: Path) -> None:
    async with Walkthrough(tmp_path, installed=True) as reader:
        await reader.follow(DOCS / page)


@pytest.mark.timeout(120)
async def test_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but what docker itself does, of which there is only the name here."""
    (bin_ := tmp_path / "bin").mkdir()
    for name in ("docker", "chown"):
        (bin_ / name).write_text("#!/bin/sh\n")
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    (folder := tmp_path / "folder").mkdir()
    async with Walkthrough(folder, installed=True) as reader:
        await reader.follow(DOCS / "howto" / "docker.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_metrics_that_it_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`(quicgw_[a-z_]+[a-z])[`{]", page.read_text(encoding="utf-8")))
    of_the_store = Metrics()
    register_store(of_the_store, MemoryStore())
    known = {exported(family).name for family in of_the_store}
    known |= set(re.findall(r"^\| `(\w+)`", (DOCS / "reference/metrics.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert named - {"quicgw_build_info", "quicgw_fast"} <= known
