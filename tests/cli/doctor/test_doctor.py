"""The command as a whole."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from tests.cli.process import Gateway, Running, in_process, quicgw

if TYPE_CHECKING:
    from pathlib import Path

FREE = '[server]\nquic = "127.0.0.1:0"\ngrpc = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'


def test_what_would_start_exits_0(tmp_path: Path, certified: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(FREE + certified)
    done = quicgw("doctor", "--config", str(path))
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("0 problems, ")
    assert "\x1b" not in done.stdout


def test_what_would_not_start_exits_1_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(FREE)
    done = in_process("doctor", "--config", str(path))
    assert done.returncode == 1
    assert "PROBLEM  certificate" in done.stdout
    assert "→ set tls.cert and tls.key" in done.stdout


def test_a_configuration_that_cannot_be_read_is_a_finding_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("session.timeot = 3\n")
    done = in_process("doctor", "--config", str(path), "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["version"] == 1
    assert told["problems"] == 1
    first = told["checks"][0]
    assert (first["check"], first["level"]) == ("configuration", "problem")
    assert first["found"].startswith("session.timeot: unknown key")
    assert first["remedy"].startswith("did you mean timeout?")
    assert {"packages", "clock"} <= {check["check"] for check in told["checks"]}


def the_ports(path: Path) -> list[dict[str, str]]:
    told = json.loads(in_process("doctor", "--config", str(path), "--json").stdout)
    return [check for check in told["checks"] if check["check"] == "ports"]


def test_that_the_gateway_of_the_configuration_runs_is_no_fault(tmp_path: Path, certified: str) -> None:
    path = tmp_path / "gateway.toml"
    with socket.socket() as tcp, socket.socket() as other, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for each in (tcp, other, udp):
            each.bind(("127.0.0.1", 0))
        grpc, admin, quic = (f"127.0.0.1:{each.getsockname()[1]}" for each in (tcp, other, udp))
    path.write_text(f'[server]\nquic = "{quic}"\ngrpc = "{grpc}"\nadmin = "{admin}"\n{certified}')
    with Running("serve", "--config", str(path)) as gateway:
        found = the_ports(path)
        assert [check["level"] for check in found] == ["ok"] * 3, (found, gateway.errors)
        path.write_text(f'{path.read_text()}[session]\ntimeout = "4m"\n')
        changed = the_ports(path)
    assert [check["level"] for check in changed] == ["warning"] * 3, changed
    assert "other values of session.timeout" in changed[0]["found"]


def test_another_gateway_on_its_ports_is_a_warning(dev: Gateway, tmp_path: Path, certified: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[server]\nquic = "{dev.quic}"\ngrpc = "{dev.grpc}"\nadmin = "{dev.admin}"\n{certified}')
    ports = the_ports(path)
    assert [check["level"] for check in ports] == ["warning"] * 3, ports
    assert all(f"process {dev.process.pid}" in check["found"] for check in ports)
    assert all("will not start while it runs" in check["remedy"] for check in ports)


def test_what_checkconfig_finds_doctor_finds(tmp_path: Path, certified: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'{FREE}{certified}[routing]\ndefault = "busines"\n')
    done = in_process("doctor", "--config", str(path))
    assert done.returncode == 1
    assert "PROBLEM  configuration" in done.stdout
    assert "routing.default" in done.stdout
    assert "can be used" not in done.stdout
