"""Pages that take the reader by the hand: each is done from an empty folder on, exactly as written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support import toolchains
from tests.support.walkthrough import Walkthrough, blocks, matches

if TYPE_CHECKING:
    from pathlib import Path

DOCS = toolchains.ROOT / "docs"


@pytest.mark.timeout(240)
async def test_the_home(tmp_path: Path) -> None:
    async with Walkthrough(tmp_path) as reader:
        await reader.follow(DOCS / "index.md")


def test_the_home_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w/.-]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8")))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"index.md"}
    assert {page for page in pages if not page.startswith("decisions/0")} <= linked


@pytest.mark.timeout(240)
async def test_first_steps(tmp_path: Path) -> None:
    async with Walkthrough(tmp_path) as reader:
        await reader.follow(DOCS / "tutorial" / "first-steps.md")


@pytest.mark.timeout(240)
async def test_a_service_in_python(tmp_path: Path) -> None:
    async with Walkthrough(tmp_path) as reader:
        await reader.follow(DOCS / "howto" / "service-in-python.md")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", ["go", "typescript"])
async def test_a_service_in_another_language(tmp_path: Path, language: str) -> None:
    (probe := tmp_path / "probe").mkdir()
    {"go": toolchains.go_packages, "typescript": toolchains.npm_packages}[language](probe)
    (folder := tmp_path / "folder").mkdir()
    async with Walkthrough(folder, patience=400) as reader:
        await reader.follow(DOCS / "howto" / f"service-in-{language}.md")


def test_a_service_of_20_lines_and_a_client_of_10() -> None:
    lines = {each.title: len(each.text.splitlines()) for each in blocks(DOCS / "tutorial" / "first-steps.md")}
    assert (lines["service.py"], lines["client.py"]) == (20, 12)


def test_what_a_page_shows_is_compared_line_by_line() -> None:
    assert matches("ready 127.0.0.1:8443\n200 …\n", ["ready 127.0.0.1:50123", "200 fine "])
    assert not matches("ready 127.0.0.1:8443\n", ["ready 127.0.0.1:50123", "more"])
    assert not matches("reply 2 200 ok\n", ["reply 3 200 ok"])


@pytest.mark.timeout(240)
async def test_the_code_of_the_readme(tmp_path: Path) -> None:
    client, service = [each.text for each in blocks(toolchains.ROOT / "README.md") if each.language == "python"]
    page = tmp_path / "page.md"
    page.write_text(f"""
```sh
python3 -m venv .venv && . .venv/bin/activate
pip install "quicgw-fast[server,service]"
```
```sh title="another terminal"
quicgw dev
```
```text
ready quic=127.0.0.1:8443 grpc=127.0.0.1:8092 admin=127.0.0.1:8080
```
```python title="service.py"
{service}```
```sh title="another terminal"
python service.py
```
```text
ready 127.0.0.1:46191
```
```python title="client.py"
{client}```
```sh title="another terminal"
python -u client.py
```
```text
200 b'hello'
news b'arrives right behind the answer'
```
""")
    async with Walkthrough(tmp_path) as reader:
        await reader.follow(page)
