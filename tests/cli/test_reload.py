from __future__ import annotations

import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.cli.process import Gateway, in_process, quicgw, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path, certified: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f"server.watch = 0\n{certified}")
    return path


@pytest.fixture
def gateway(config: Path) -> Iterator[Gateway]:
    with Gateway("serve", "--config", str(config)) as running:
        yield running


def write(config: Path, text: str) -> None:
    """Say something else, and keep the certificate."""
    _, tls, certificate = config.read_text().partition("[tls]")
    config.write_text(f"server.watch = 0\n{text}\n{tls}{certificate}")


def test_what_changed_is_printed_and_what_needs_a_restart(gateway: Gateway, config: Path) -> None:
    write(config, "session.timeout = '60s'\nsession.memory = '64MiB'")
    done = quicgw("reload", "--admin", gateway.admin)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "session.timeout: 5m → 1m",
        "session.memory needs a restart: 256MiB stays, 64MiB is written",
    ]
    write(config, "session.timeout = '60s'")
    assert quicgw("reload", "--admin", gateway.admin).stdout == "nothing has changed\n"
    done = quicgw("reload", "--admin", gateway.admin, "--json")
    assert json.loads(done.stdout) == {"version": 1, "changed": {}, "files": [], "needs_restart": {}}


def test_a_refusal_is_told_and_exits_1(gateway: Gateway, config: Path) -> None:
    write(config, "session.timeout = 'soon'")
    done = quicgw("reload", "--admin", gateway.admin)
    assert done.returncode == 1
    assert "refused, and nothing has changed: bad configuration: session.timeout: 'soon'" in done.stdout
    done = quicgw("reload", "--admin", gateway.admin, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["message"].startswith("bad configuration: session.timeout")


def test_a_mistake_elsewhere_in_the_file_keeps_nobody_from_asking(gateway: Gateway, config: Path) -> None:
    write(config, f"server.admin = '{gateway.admin}'\nsession.timeout = 'soon'\nsesion.x = 1")
    done = quicgw("reload", "--config", str(config))
    assert done.returncode == 1
    assert "refused, and nothing has changed: bad configuration: session.timeout: 'soon'" in done.stdout
    assert done.stderr == (
        f"quicgw: there are mistakes in {config}, as quicgw checkconfig tells; how to ask the gateway can be read\n"
    )
    assert json.loads(quicgw("sessions", "--config", str(config), "--json").stdout)["total"] == 0
    config.write_text("no toml")
    done = quicgw("reload", "--config", str(config))
    assert done.returncode == 1
    assert "refused, and nothing has changed: bad configuration" in done.stdout
    assert quicgw("sessions", "--config", str(config)).returncode == 3


def test_the_address_is_found_in_the_configuration(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    path = tmp_path / "gateway.toml"
    path.write_text(f"server.admin = '{address}'\n")
    done = in_process("reload", "--config", str(path))
    assert done.returncode == 3
    assert f"no answer from the admin address {address}" in done.stderr
    assert "--admin" in done.stderr


def test_a_terminal_that_goes_away_ends_what_was_tried_out_in_it() -> None:
    with Gateway("dev") as gateway:
        gateway.signal(signal.SIGUSR1)
        until(lambda: '"numbers"' in gateway.errors)
        gateway.signal(signal.SIGHUP)
        assert gateway.ended()[0] == 0


def test_dev_reads_its_file_again_too(tmp_path: Path) -> None:
    path = tmp_path / "dev.toml"
    path.write_text("server.watch = '50ms'\nsession.timeout = '5m'\n")
    with Gateway("dev", "--config", str(path)) as gateway:
        path.write_text("server.watch = '50ms'\nsession.timeout = '60s'\n")
        until(lambda: '"setting changed"' in gateway.errors)
        assert {"setting": "session.timeout", "now": "1m"}.items() <= gateway.log("setting changed").items()
        path.write_text("server.watch = 0\nsession.timeout = 'soon'\n")
        until(lambda: '"configuration refused"' in gateway.errors)
