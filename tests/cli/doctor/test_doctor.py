"""The command as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.process import Gateway, in_process, quicgw

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


def test_a_gateway_that_runs_is_no_fault(dev: Gateway, tmp_path: Path, certified: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[server]\nquic = "{dev.quic}"\ngrpc = "{dev.grpc}"\nadmin = "{dev.admin}"\n{certified}')
    done = in_process("doctor", "--config", str(path), "--json")
    told = json.loads(done.stdout)
    ports = [check for check in told["checks"] if check["check"] == "ports"]
    assert [check["level"] for check in ports] == ["ok"] * 3, ports
    assert all(f"process {dev.process.pid}" in check["found"] for check in ports)
