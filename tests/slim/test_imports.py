"""The client imports nothing that only an extra brings, and what needs an extra says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.process import environment
from tests.slim.packages import blocked

BLOCKING = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(blocked())!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", BLOCKING + code]
    return subprocess.run(command, env=environment({}), capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("transport", ["aioquic", "quinn"])
def test_a_client_needs_no_package_of_an_extra(transport: str) -> None:
    done = python(f"import quicgw_fast; quicgw_fast.connect('127.0.0.1:1', openid='a', transport={transport!r})")
    assert done.returncode == 0, done.stderr


def test_all_that_the_front_door_offers_is_there() -> None:
    done = python(
        "from quicgw_fast import *; import quicgw_fast.sync, quicgw_fast.proto.client_pb2; print(__version__)"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["serve"], ["version"]])
def test_the_command_says_how_to_get_it(arguments: list[str]) -> None:
    done = python(f"from quicgw_fast.cli import main; main({arguments!r})")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == 'quicgw: the command quicgw needs typer: pip install "quicgw-fast[server]"\n'


def test_grpc_stubs_say_how_to_get_what_they_need() -> None:
    done = python("import quicgw_fast.proto.service_pb2, quicgw_fast.proto.service_pb2_grpc")
    assert done.stderr.splitlines()[-1].endswith(
        'quicgw_fast.proto.service_pb2_grpc needs grpc: pip install "quicgw-fast[service]"'
    )
    assert (
        "ImportError"
        in python(
            "try: import quicgw_fast.proto.service_pb2_grpc\nexcept ImportError as e: print('ImportError', e)"
        ).stdout
    )
