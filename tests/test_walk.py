"""The way of one request through the rooms: socket to service, and its reply back, with little to and fro."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import TYPE_CHECKING, Any

import quicgw_fast
from tests.support.drawing import read_path
from tests.support.parts import Parts
from tests.support.world import World, write_certificate

if TYPE_CHECKING:
    from types import FrameType


PACKAGE = f"{Path(quicgw_fast.__file__).parent}/"
MOST_CHANGES = 20
"""Of rooms, for one echo; a room is a folder of the package, or a file beside them."""
ECHOES = 5
"""Of which the shortest walk counts: now and then a timer of somebody else's comes in between."""
CLIENT = textwrap.dedent("""
    import asyncio, sys, quicgw_fast

    async def main():
        async with quicgw_fast.connect(sys.argv[1], openid="alice", insecure=True) as client:
            while True:
                await client.call("echo", data=b"x")
                print("answered", flush=True)
                await asyncio.sleep(0.2)  # until what it acknowledges is on its way
                print("idle", flush=True)
                if not await asyncio.to_thread(sys.stdin.readline):
                    return

    asyncio.run(main())
""")


class Walk:
    """Notes the rooms in which functions are entered, in the order in which they are."""

    def __init__(self) -> None:
        self.entered: list[str] = []

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(PACKAGE):
            self.entered.append(path.removeprefix(PACKAGE).split("/")[0])

    @property
    def rooms(self) -> list[str]:
        """The rooms, each once for each time that it is come to."""
        return [room for before, room in zip(["", *self.entered], self.entered, strict=False) if room != before]


async def expect(client: asyncio.subprocess.Process, line: bytes) -> None:
    assert client.stdout is not None
    assert await asyncio.wait_for(client.stdout.readline(), 20.0) == line


async def walk_one_echo(client: asyncio.subprocess.Process) -> list[str]:
    assert client.stdin is not None
    walk = Walk()
    sys.setprofile(walk)
    try:
        client.stdin.write(b"\n")
        await expect(client, b"answered\n")
    finally:
        sys.setprofile(None)
    await expect(client, b"idle\n")
    return walk.rooms


async def test_an_echo_changes_rooms_rarely_and_goes_the_drawn_way(tmp_path: Path) -> None:
    async with World(Parts(), write_certificate(tmp_path)) as world:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, world.gateway.addresses.quic, stdin=PIPE, stdout=PIPE
        )
        try:
            await expect(client, b"answered\n")
            await expect(client, b"idle\n")
            walks = [await walk_one_echo(client) for _ in range(ECHOES)]
        finally:
            client.kill()
            await client.wait()
    shortest = min(walks, key=len)
    assert {"transport", "carrier", "flow", "overload", "processor", "upstream", "delivery"} <= set(shortest)
    drawn = read_path("README.md")
    way, rest = [*drawn.up, *drawn.down], iter(shortest)
    walked = f"drawn: {' → '.join(way)}; walked: {' → '.join(shortest)}"
    assert sorted(drawn.up, key=shortest.index) == drawn.up, walked
    assert all(room in rest for room in way), walked
    assert len(shortest) - 1 <= MOST_CHANGES, " → ".join(shortest)
