from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.upstream import SERVICES, ZONES
from tests.cli.process import ADDRESS, Gateway, Running, assert_one_sentence, environment, in_process, quicgw

if TYPE_CHECKING:
    from pathlib import Path


def serve(tmp_path: Path, certified: str, mode: str) -> Gateway:
    file = tmp_path / "gateway.toml"
    file.write_text(f'{certified}[routing]\nmode = "{mode}"\n')
    return Gateway("serve", "--config", str(file))


@pytest.mark.parametrize("mode", ["service", "zone"])
def test_a_gateway_with_services_of_another_process(tmp_path: Path, certified: str, mode: str) -> None:
    names = SERVICES if mode == "service" else ZONES
    with serve(tmp_path, certified, mode) as gateway:
        alone = in_process("call", "echo", "--server", gateway.quic, "--insecure", "--connect-timeout", "300ms")
        assert (alone.returncode, "no instance" in alone.stdout) == (1, True)
        with Running("upstream", "--gateway", gateway.grpc, "--mode", mode) as services:
            assert re.fullmatch("ready " + " ".join(f"{name}={ADDRESS}" for name in names) + "\n", services.first_line)
            done = in_process("call", "after", "--data", "x", "--server", gateway.quic, "--insecure")
            assert done.returncode == 0
            assert "notify 3 [after] after" in done.stdout
            services.signal(signal.SIGTERM)
            assert services.ended() == (0, "")
        gateway.signal(signal.SIGTERM)
        assert gateway.ended() == (0, "")


def test_chosen_ports_and_zones(tmp_path: Path, certified: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        serve(tmp_path, certified, "zone") as gateway,
        Running("upstream", "-g", gateway.grpc, "-m", "zone", "-z", "005", "--ports", str(port)) as services,
    ):
        assert services.first_line == f"ready 005=127.0.0.1:{port}\n"


@pytest.mark.parametrize(
    ("mode", "other", "code"), [("service", "zone", "BAD_SERVICE"), ("zone", "service", "BAD_ZONE")]
)
def test_a_gateway_that_refuses(tmp_path: Path, certified: str, mode: str, other: str, code: str) -> None:
    with serve(tmp_path, certified, mode) as gateway:
        done = quicgw("upstream", "--gateway", gateway.grpc, "--mode", other)
        assert_one_sentence(done, gateway.grpc, code, f"; its routing.mode is {mode}: register with --mode {mode}")


def test_no_gateway_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert_one_sentence(quicgw("upstream", "--gateway", address, "--timeout", "500ms"), address, "running?")


def test_a_signal_while_waiting_for_the_gateway() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        command = [sys.executable, "-m", "quicgw_fast", "upstream", "-g", f"127.0.0.1:{mute.getsockname()[1]}"]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
            mute.settimeout(20)
            mute.accept()[0].close()  # it tries to register, so its signal handlers are in place
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=20) == ("", None)
        assert process.returncode == 0


def test_busy_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_one_sentence(quicgw("upstream", "--ports", f"0,{port},0"), f"127.0.0.1:{port}", "in use")
