from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from quicgw_fast.errors import StartupError
from quicgw_fast.upstream import makers
from tests.support.raw_upstream import RawUpstream

LEAVES_A_CALL = """
import asyncio, functools, os, sys
from quicgw_fast import completions
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import Instance
from quicgw_fast.upstream.native import open_channel

class Unwatched:
    def channel_up(self, instance): pass
    def channel_down(self, instance): pass

async def main():
    before = len(os.listdir("/proc/self/task"))
    channel = open_channel(Instance(sys.argv[1], registered=False), Unwatched(), None)
    channel.begin(UpstreamRequest(action="slow"), 60.0, print)
    await completions.result(functools.partial(channel.begin, UpstreamRequest(), 10.0))
    print(len(os.listdir("/proc/self/task")) - before)

asyncio.run(main())
"""


def test_a_build_without_the_client_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No maker takes the place of one that was asked for."""
    for name in [name for name in sys.modules if name.startswith("quicgw_fast.upstream.native")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "quicgw_fast._core", type(sys)("quicgw_fast._core"))
    with pytest.raises(StartupError, match="native upstream client cannot be imported") as caught:
        makers.load("native")
    assert "maturin develop" in str(caught.value)


async def test_it_has_no_thread_and_nothing_holds_up_the_end_of_the_process() -> None:
    async with RawUpstream() as server:
        server.hold("slow")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LEAVES_A_CALL, server.address,
            env={**os.environ, "PYTHONPATH": str(Path(makers.__file__).parents[2])},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(30.0):
            printed, complaints = await process.communicate()
    assert (process.returncode, printed, complaints) == (0, b"0\n", b"")
