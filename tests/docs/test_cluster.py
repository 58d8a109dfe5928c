"""docs/howto/cluster.md does what it says, on three nodes; and the table of what is lost names tests that there are."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.process import quicgw
from tests.support import raw_client, wire
from tests.support.directory_server import DirectoryServer
from tests.support.fixtures import certificate
from tests.support.gateway_process import SOURCE, GatewayProcess
from tests.support.howto import DOCS, shell
from tests.support.pages import readiness
from tests.support.raw_upstream import RawUpstream
from tests.support.walkthrough import Block, blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw_client import RawClient

__all__ = ["certificate"]

PAGE = DOCS / "howto/cluster.md"
LEASE = "3s"
NAMES = ("gateway-1", "gateway-2", "gateway-3")


class DocumentedServer(DirectoryServer):
    """The directory by the page's own configuration."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def _arguments(self, port: int) -> list[str]:
        (file := self.folder / "valkey.conf").write_text(self._text.replace("0.0.0.0", "127.0.0.1"))
        return [str(file), "--port", str(port), "--dir", str(self.folder)]


class Machines:
    """What is on the three of them, and the directory's."""

    def __init__(self, folder: Path, directory: DirectoryServer, service: str, text: str) -> None:
        self.folder = folder
        self.directory = directory
        self._service = service
        self._text = text
        self.nodes: dict[str, GatewayProcess] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Machines:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def on_exit(self, client: RawClient) -> None:
        self._stack.push_async_callback(client.bury)

    def configure(self, name: str) -> Path:
        """The page's file as it is on that machine, on loopback and any free ports."""
        text = self._text.replace("gateway-1", name)
        assert text.count(name) == 3
        for key in ("advertise", "grpc_advertise"):
            text = re.sub(rf"(?m)^{key} = .*\n", "", text)
        text = re.sub(r'"(?:0\.0\.0\.0|127\.0\.0\.1):\d+"', '"127.0.0.1:0"', text)
        text = text.replace("directory:6379", self.directory.address).replace('delay = "10s"', 'delay = "0s"')
        text = text.replace("[cluster]", f'[cluster]\nlease = "{LEASE}"')
        path = self.folder / f"{name}.toml"
        services = "".join(f'{name} = ["{self._service}"]\n' for name in ("hello", "business", "zone"))
        path.write_text(f"{text}\n[upstream]\n{services}")
        return path

    async def start(self, name: str) -> None:
        process = GatewayProcess.serve(self.configure(name))
        self.nodes[name] = await self._stack.enter_async_context(process)

    async def ready(self) -> None:
        async with asyncio.timeout(40):
            for node in self.nodes.values():
                while (await readiness(node.ready.admin))[0] != 200:
                    await asyncio.sleep(0.05)

    async def do(self, line: str) -> list[str]:
        """One line that an operator types; what it prints."""
        match line.split():
            case ["quicgw", "cluster" | "drain" | "sessions", *_]:
                admin = "--admin", self.nodes["gateway-1"].ready.admin
                done = await asyncio.to_thread(quicgw, *line.split()[1:], *admin)
                assert done.returncode == 0, (line, done.stdout, done.stderr)
                return done.stdout.splitlines()
            case ["ssh", "directory", "systemctl", "restart", "valkey"]:
                self.directory.kill()
                await asyncio.to_thread(self.directory.start)
            case ["ssh", name, "systemctl", "start", "quicgw"]:
                await self.start(name)
                await self.ready()
            case ["ssh", name, "systemctl", "disable", "quicgw"]:
                assert self.nodes.pop(name).status == 0, "it has ended"
            case ["quicgw" | "openssl" | "chmod", *_]:
                await shell(line, self.folder)
            case _:
                raise AssertionError(f"who does this? {line}")
        return []


class Player:
    """A client that comes back at the first node whenever it is sent away from another one."""

    def __init__(self, client: RawClient, machines: Machines) -> None:
        self.client = client
        self._machines = machines
        machines.on_exit(client)

    async def moves(self) -> None:
        """It is told to go, and goes on with its session elsewhere."""
        before, started = self.client, self.client.started
        assert started is not None
        await before.wait_closed()
        async with asyncio.timeout(20):
            while True:
                self.client = await raw_client.connect(*self._machines.nodes["gateway-1"].ready.quic)
                self._machines.on_exit(self.client)
                answer = await self.client.start(
                    before.openid, "", before.last_seq, started.connection_id, started.epoch
                )
                if answer.success:
                    break
                assert answer.error.error_code == 503, answer.error
                await asyncio.sleep(0.05)
        assert answer.resumed, "a rolling restart resets nobody"
        self.client.next_seq = answer.max_client_seq + 1
        assert wire.business(await self.client.call("echo")).code == 200


def gist(line: str) -> list[str]:
    """What a line says but for numbers, addresses, and which start of a node it is."""
    words = (re.sub(r"^(gateway-\d)\.\w+$", r"\1", word) for word in line.split())
    return [re.sub(r"^\S+:\d+$|^\d[\d.]*[smh]*$", "…", word) for word in words]


def of_the_page() -> tuple[dict[str, str], list[tuple[str, str | None]]]:
    """Its files by their titles, and what is typed with what that prints, where it says so."""
    there = blocks(PAGE)
    files = {block.title: block.text for block in there if block.title}
    typed = []
    for block, behind in zip(there, [*there[1:], Block("", "", "")], strict=True):
        if block.language == "sh":
            typed.append((block.text, behind.text if (behind.language, behind.title) == ("text", "") else None))
    return files, typed


@pytest.mark.timeout(180)
async def test_three_nodes_as_the_page_has_them(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    files, typed = of_the_page()
    for path, name in zip(certificate, ("fullchain.pem", "privkey.pem"), strict=True):
        shutil.copy(path, tmp_path / name)
    directory = DocumentedServer(files["valkey.conf"])
    await asyncio.to_thread(directory.start)
    try:
        async with (
            RawUpstream() as service,
            Machines(tmp_path, directory, service.address, files["gateway.toml"]) as all_,
        ):
            await follow(all_, typed)
    finally:
        directory.close()


async def follow(machines: Machines, typed: list[tuple[str, str | None]]) -> None:
    player: Player | None = None
    done = []
    for text, expected in typed:
        told: list[str] = []
        for line in text.splitlines():
            if line.startswith("quicgw checkconfig"):
                shutil.copy(machines.configure("gateway-1"), machines.folder / "gateway.toml")
            if line.startswith("quicgw cluster") and not machines.nodes:  # the reader has started them
                await asyncio.gather(*map(machines.start, NAMES))
                await machines.ready()
                player = Player(await raw_client.connect(*machines.nodes["gateway-2"].ready.quic), machines)
                assert (await player.client.start("alice")).success
                await player.client.hello()
            goes = line.startswith("quicgw drain --node gateway-2")
            moving = asyncio.create_task(player.moves()) if goes and player is not None else None
            told += await machines.do(line)
            if moving is not None:
                await moving
            if line.startswith("quicgw drain"):
                await machines.nodes[line.split()[3]].wait()
            done.append(line)
        if expected is not None:
            assert [*map(gist, told)] == [*map(gist, expected.splitlines())], text
    assert player is not None
    assert any("restart valkey" in line for line in done)
    assert wire.business(await player.client.call("echo")).code == 200, "it was served all the time"


def test_each_row_of_what_is_lost_has_its_test() -> None:
    text = (DOCS / "clusters.md").read_text(encoding="utf-8")
    section = text.partition("## What is lost when\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.fullmatch(r"`([\w/]+)::(test_\w+)`", row.split(" | ")[-1].removesuffix(" |"))
        assert named is not None, row
        source = (SOURCE.parent / "tests" / f"{named[1]}.py").read_text(encoding="utf-8")
        assert f"def {named[2]}(" in source, row


def test_the_alerts_that_the_page_names_are_there() -> None:
    rules = (SOURCE.parent / "deploy/observability/alerts.yml").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(Quicgw\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    assert not [name for name in named if f"alert: {name}\n" not in rules]
