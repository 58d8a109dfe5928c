"""Where the extension cannot be imported, everything runs in Python, and what is compiled is missed in a sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.process import FREE_PORTS, environment

COMMAND = """
import sys
sys.modules["quicgw_fast._core"] = None
from quicgw_fast.cli import main
main(sys.argv[1:])
"""


def quicgw(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process in which the extension is not there."""
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(command, env=environment(extra), capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("engine", ["python", "auto"])
def test_gateways_services_and_clients_need_none_of_it(engine: str) -> None:
    done = quicgw("demo", "--clients", "4", "--requests", "40", QUICGW_BACKEND=engine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "engine python, transport aioquic, upstream client grpcio" in done.stdout
    assert "checks held" in done.stdout


@pytest.mark.parametrize(
    ("asked", "missed"),
    [
        ({"QUICGW_BACKEND": "rust"}, "the rust engine cannot be imported"),
        ({"QUICGW_SERVER__TRANSPORT": "quinn"}, "the transport quinn cannot be imported"),
        ({"QUICGW_UPSTREAM__CLIENT": "native"}, "the native upstream client cannot be imported"),
        ({"QUICGW_FAST": "1"}, "cannot be imported"),
    ],
    ids=["engine", "transport", "upstream", "all"],
)
@pytest.mark.parametrize("command", [("dev", *FREE_PORTS), ("version",)], ids=["dev", "version"])
def test_what_is_asked_for_and_missing_is_an_error(
    command: tuple[str, ...], asked: dict[str, str], missed: str
) -> None:
    done = quicgw(*command, **{"QUICGW_BACKEND": "python", **asked})
    assert (done.returncode, done.stdout) == (3, "")
    assert missed in done.stderr
    assert "maturin develop --release" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_client_and_a_load_miss_it_too() -> None:
    for command in (("call", "echo", "--fast", "--insecure"), ("bench", "127.0.0.1:9", "--insecure")):
        done = quicgw(*command, QUICGW_BACKEND="python")
        assert done.returncode == 3
        assert "Traceback" not in done.stderr
