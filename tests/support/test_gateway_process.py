"""The process runner reads the ready line, keeps standard error, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import gateway_process
from tests.support.gateway_process import GatewayProcess, NotReadyError
from tests.support.parts import Parts

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN = """
import os, signal, sys, time
mode = sys.argv[1]
if mode == "fail":
    sys.exit("port 8443 is busy")
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else lambda *_: sys.exit(0))
print("something else")
print(os.environ["QUICGW_BACKEND"], file=sys.stderr)
if mode != "silent":
    print("ready quic=127.0.0.1:1234 grpc=127.0.0.1:2345 admin=127.0.0.1:3456")
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a small script in place of the command."""
    package = tmp_path / "quicgw_fast"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(STAND_IN)
    monkeypatch.setattr(gateway_process, "SOURCE", tmp_path)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_ready_addresses_environment_and_a_clean_end() -> None:
    async with GatewayProcess("dev", parts=Parts("python")) as gateway:
        assert gateway.ready == (("127.0.0.1", 1234), "127.0.0.1:2345", "127.0.0.1:3456")
        assert gateway.status is None
        gateway.terminate()
        assert await gateway.wait() == 0
        assert gateway.errors == "python\n"


async def test_killing_is_told_by_the_status() -> None:
    async with GatewayProcess("dev", parts=Parts()) as gateway:
        await gateway.kill()
        assert gateway.status == -signal.SIGKILL


async def test_a_stubborn_process_is_dead_after_the_context() -> None:
    async with GatewayProcess("stubborn", parts=Parts()) as gateway:
        gateway.terminate()
        with pytest.raises(TimeoutError, match="still runs"):
            await gateway.wait(within=0.1)
    assert gone(gateway.pid)


async def test_a_failing_start_says_why() -> None:
    with pytest.raises(NotReadyError, match=r"(?s)exit status 1.*port 8443 is busy"):
        await GatewayProcess("fail", parts=Parts()).start()


async def test_a_silent_start_is_given_up_and_killed() -> None:
    for within in (0.5, 2.0, 8.0):  # on a busy machine it may not have said anything by then
        gateway = GatewayProcess("silent", parts=Parts())
        with pytest.raises(NotReadyError, match=f"no ready line within {within} s") as caught:
            await gateway.start(within=within)
        assert gone(gateway.pid)
        if "something else" in str(caught.value):
            return
    pytest.fail("what it said is not told")


async def test_a_failing_test_shows_what_the_process_said() -> None:
    with pytest.raises(AssertionError) as failed:
        async with GatewayProcess("dev", parts=Parts()):
            raise AssertionError("as intended")
    assert "standard error of quicgw dev" in "".join(failed.value.__notes__)


async def test_run_returns_the_status() -> None:
    assert await GatewayProcess("fail", parts=Parts()).run() == 1
