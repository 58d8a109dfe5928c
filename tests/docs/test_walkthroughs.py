"""Pages that take the reader by the hand: each is done from an empty folder on, exactly as written."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import toolchains
from tests.support.gateway_process import GatewayProcess
from tests.support.walkthrough import PATIENCE, Walkthrough, blocks, matches

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
    build = ["go", "build", "-o", "shop", "."]
    if language == "go":
        toolchains.ran(build, folder, toolchains.GO)
    program = {"go": ["./shop"], "typescript": ["node", "main.js"]}[language]
    source = (folder / {"go": "main.go", "typescript": "main.ts"}[language]).read_text(encoding="utf-8")
    (gateway,) = set(re.findall(r"127\.0\.0\.1:[1-9]\d*", source))
    await waits_for_its_gateway(program, folder, gateway)


async def waits_for_its_gateway(program: list[str], folder: Path, gateway: str) -> None:
    """A service that starts before its gateway says once that it waits, and once that it has come."""
    service = await asyncio.create_subprocess_exec(
        *program, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert service.stdout is not None
        assert service.stderr is not None
        first = (await asyncio.wait_for(service.stderr.readline(), PATIENCE)).decode()
        assert "not registered, trying again" in first
        with pytest.raises(TimeoutError):  # neither the end nor a second word, over two more attempts
            await asyncio.wait_for(service.stderr.readline(), 2.5)
        async with GatewayProcess.dev("--grpc", gateway):
            assert (await asyncio.wait_for(service.stdout.readline(), PATIENCE)).startswith(b"ready 127.0.0.1:")
            assert b"registered" in await asyncio.wait_for(service.stderr.readline(), PATIENCE)
            service.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(service.stderr.read(), PATIENCE) == b""
            assert await asyncio.wait_for(service.wait(), PATIENCE) == 0
    finally:
        if service.returncode is None:
            service.kill()
        await service.wait()


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
