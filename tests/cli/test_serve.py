from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.event_loop import SAME_SIGNAL
from quicgw_fast.client import ConnectionClosed, connect
from quicgw_fast.codes import CloseCode
from tests.cli.process import (
    FREE,
    FREE_PORTS,
    Gateway,
    assert_one_sentence,
    environment,
    in_process,
    quicgw,
    stats,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def serve(tmp_path: Path, text: str, *flags: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run ``quicgw serve`` with a configuration that it must refuse."""
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return quicgw("serve", "--config", str(file), *FREE_PORTS, *flags, extra=extra)


def serve_here(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    """The same without a process of its own."""
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return in_process("serve", "--config", str(file), *FREE_PORTS)


def test_missing_configuration() -> None:
    assert_one_sentence(quicgw("serve", "--config", "/does/not/exist.toml"), "/does/not/exist.toml", "quicgw genconfig")


def test_configuration_that_is_no_toml(tmp_path: Path) -> None:
    assert_one_sentence(serve_here(tmp_path, "server = ["), "gateway.toml", "TOML")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[server]\nquick = 'x'\n", "server.quick"),
        ("[sever]\n", "sever"),
        ("[processor]\nmax_queue_size = 0\n", "max_queue_size"),
    ],
)
def test_bad_key(tmp_path: Path, text: str, key: str) -> None:
    assert_one_sentence(serve_here(tmp_path, text), key)


@pytest.mark.parametrize("command", ["serve", "dev"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("overload.observe = ['ful']", "overload.observe names 'ful'; known rules are address-connections, "),
        ("overload.observe = ['draining']", "overload.observe has 'draining', which cannot observe; "),
        ("routing.exact.hello = 'zone'", "the routing table sends the action hello to the service zone"),
        ("routing.exact.'a.B' = 'zone'", "routing.exact has the action 'a.B'"),
        (
            "routing.zone_ranges = [[1, 9, '001'], [9, 9, '002']]",
            "routing.zone_ranges: (1, 9, '001') and (9, 9, '002')",
        ),
        ("auth = { mode = 'jwt', key_file = 'absent' }", "auth.key_file: cannot read "),
        ("auth = { mode = 'jwt', key_file = 'x', algorithms = ['HS256', 'RS256'] }", "auth.algorithms mixes HS256 "),
        ("offline = { store = 'sqlite', path = 'absent/x.db' }", "offline store: cannot open "),
    ],
)
def test_what_is_found_wrong_after_reading_is_told_with_its_place(
    tmp_path: Path, text: str, told: str, command: str
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    done = in_process(command, "--config", str(file), *FREE_PORTS)
    assert_one_sentence(done, f"bad configuration: {told}", f" (in {file}:1)")


def test_what_is_found_wrong_in_a_variable_names_it(tmp_path: Path, certified: str) -> None:
    done = serve(tmp_path, certified, QUICGW_OVERLOAD__OBSERVE='["ful"]')
    assert_one_sentence(done, "'ful'", "(in the variable QUICGW_OVERLOAD__OBSERVE)")


def test_bad_environment_variable(tmp_path: Path, certified: str) -> None:
    assert_one_sentence(serve(tmp_path, certified, QUICGW_SERVERS__QUIC=FREE), "QUICGW_SERVERS__QUIC")


def test_without_a_certificate(tmp_path: Path) -> None:
    assert_one_sentence(serve_here(tmp_path, ""), "tls.cert and tls.key are not set")


@pytest.mark.parametrize(("there", "missing"), [("cert", "key"), ("key", "cert")])
@pytest.mark.parametrize("command", ["serve", "dev"])
def test_half_a_certificate(tmp_path: Path, command: str, there: str, missing: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'[tls]\n{there} = "x.pem"\n')
    done = in_process(command, "--config", str(file), *FREE_PORTS)
    assert done.returncode == 3
    assert f"only tls.{there} is set, tls.{missing} is not" in done.stderr


def test_unreadable_certificate(tmp_path: Path) -> None:
    text = f'[tls]\ncert = "{tmp_path}/none.pem"\nkey = "{tmp_path}/none.key"\n'
    assert_one_sentence(serve_here(tmp_path, text), "none.pem", "tls.cert")


def test_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    text = f'[tls]\ncert = "{tmp_path}/junk.pem"\nkey = "{tmp_path}/junk.pem"\n'
    assert_one_sentence(serve_here(tmp_path, text), "junk.pem", "PEM")


@pytest.mark.parametrize(
    ("flag", "kind"), [("--quic", socket.SOCK_DGRAM), ("--grpc", socket.SOCK_STREAM), ("--admin", socket.SOCK_STREAM)]
)
def test_busy_port(tmp_path: Path, certified: str, flag: str, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = serve(tmp_path, certified, flag, address)
        assert_one_sentence(done, address, "in use")
        assert "authentication is off" not in done.stderr, "what does not run needs no warning"


def test_other_protobufs_are_refused(tmp_path: Path, certified: str) -> None:
    done = serve(tmp_path, certified, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python")
    assert_one_sentence(done, "upb", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_is_ready_and_ends_by_a_signal(tmp_path: Path, certified: str, number: signal.Signals) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(certified + '[server]\nquic = "127.0.0.1:1"\n')  # the flag must win
    with Gateway("serve", "--config", str(file)) as gateway:
        assert len({gateway.quic, gateway.grpc, gateway.admin}) == 3
        gateway.signal(number)
        assert gateway.ended() == (0, "")
        assert gateway.log("authentication is off")["level"] == "warning"
        assert "Traceback" not in gateway.errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_dev_leaves_nothing_behind(number: signal.Signals) -> None:
    with Gateway("dev") as gateway:
        folder = Path(gateway.log("certificate made")["file"]).parent
        assert folder.is_dir()
        gateway.signal(number)
        assert gateway.ended() == (0, "")
        assert not folder.exists()


async def test_what_was_accepted_is_answered_and_clients_are_told() -> None:
    with Gateway("dev") as gateway:
        client = await connect(gateway.quic, openid="alice", insecure=True, reconnect=False)
        waiting = client.submit("sleep", params={"ms": "500"}, data=b"accepted")
        await client.call("echo")  # answered, so the request before it has arrived
        gateway.signal(signal.SIGTERM)
        assert (await waiting).data == b"accepted"
        with pytest.raises(ConnectionClosed) as closed:
            await client.next_notify(10)
        assert closed.value.code == CloseCode.DRAINING
        await client.close()
        assert gateway.ended() == (0, "")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once(number: signal.Signals, status: int) -> None:
    with Gateway("dev") as gateway:
        folder = Path(gateway.log("certificate made")["file"]).parent
        with calling(gateway, "sleep", "--param", "ms=20000"):
            until(lambda: stats(gateway)["counters"]["requests"] == 2)  # hello and sleep
            gateway.signal(number)
            until(lambda: not ready(gateway))
            assert gateway.process.poll() is None  # the request that sleeps keeps it busy for longer than this test
            time.sleep(SAME_SIGNAL)  # within it, a signal is taken for the first one
            gateway.signal(number)
            assert gateway.ended() == (status, "")
        assert "second signal" in gateway.errors
        assert not folder.exists()


@contextmanager
def calling(gateway: Gateway, *arguments: str) -> Iterator[None]:
    """Call something in another process that nobody waits for."""
    command = [sys.executable, "-m", "quicgw_fast", "call", *arguments, "--server", gateway.quic, "--insecure"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def ready(gateway: Gateway) -> bool:
    try:
        with urllib.request.urlopen(f"http://{gateway.admin}/readyz", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        assert error.code == 503
        return False


def test_dev_takes_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text('[routing]\nmode = "zone"\n[log]\nlevel = "error"\n')
    with Gateway("dev", "--config", str(file)) as gateway:
        done = in_process("call", "echo", "--data", "to my zone", "--insecure", "--server", gateway.quic)
        assert (done.returncode, done.stdout) == (0, "reply 2 200 ok\nto my zone\n")
        gateway.signal(signal.SIGTERM)
        assert gateway.ended() == (0, "")
        assert gateway.errors == ""


def test_dev_with_a_busy_port_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = quicgw("dev", *FREE_PORTS, "--quic", address, extra={"TMPDIR": str(tmp_path)})
    assert_one_sentence(done, address)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_standard_output_is_said() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "quicgw_fast", "dev", *FREE_PORTS],
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.returncode == 3
    assert "quicgw: cannot write to standard output" in done.stderr
    assert "Traceback" not in done.stderr


KUBERNETES = {
    "QUICGW_SERVER_SERVICE_HOST": "127.0.0.1",
    "QUICGW_SERVER_PORT": "udp://127.0.0.1:8443",
    "QUICGW_SERVER_PORT_8443_UDP_ADDR": "127.0.0.1",
}


def test_a_platforms_variables_and_settings_without_effect_are_told_and_stop_nothing(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_bytes(
        b"\xef\xbb\xbf" + b'[offline]\npath = "x.db"\n[auth]\nkey_file = "x"\n[routing.exact]\nfoo = "hello"\n'
    )
    with Gateway("dev", "--config", str(file), extra=KUBERNETES) as gateway:
        warnings = [json.loads(line)["explanation"] for line in gateway.errors.splitlines() if "quicgw.config" in line]
        assert any("QUICGW_SERVER_SERVICE_HOST" in told for told in warnings)
        assert any(told.startswith("auth.key_file is not used") for told in warnings)
        assert any(told.startswith("offline.path is not used") for told in warnings)
        assert len(warnings) == 3
        done = in_process("call", "echo", "--data", "in", "--insecure", "--server", gateway.quic)
        assert (done.returncode, done.stdout) == (0, "reply 2 200 ok\nin\n"), "an own route takes nobody's login away"


def test_a_table_by_which_nobody_could_log_in_is_refused(tmp_path: Path, certified: str) -> None:
    text = f'{certified}[routing]\nreplace_defaults = true\n[routing.exact]\nfoo = "hello"\n'
    assert_one_sentence(serve_here(tmp_path, text), "hello to the service business", "replace_defaults")
    text = f'{certified}[routing.exact]\nhello = "business"\n'
    done = serve_here(tmp_path, text)
    assert_one_sentence(done, "hello to the service business", 'remove hello = "business"')
    assert "replace_defaults" not in done.stderr, "it is not set"


def test_a_key_that_everybody_may_read_or_change_is_told(tmp_path: Path) -> None:
    secret = tmp_path / "secret.key"
    secret.write_text("k" * 32)
    secret.chmod(0o666)
    file = tmp_path / "gateway.toml"
    file.write_text('[auth]\nmode = "jwt"\nkey_file = "secret.key"\n')
    with Gateway("dev", "--config", str(file)) as gateway:
        told = gateway.log("secret file exposed")
    assert (told["setting"], told["everybody_may"], told["file"]) == ("auth.key_file", "read and write", str(secret))


@pytest.mark.parametrize("flag", ["quic", "grpc", "admin"])
def test_an_address_that_is_taken_names_the_flag_as_well(flag: str) -> None:
    """Whoever runs quicgw dev has no file with a setting to change."""
    kind = socket.SOCK_DGRAM if flag == "quic" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if flag != "quic":
            taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        others = {"quic": FREE, "grpc": FREE, "admin": FREE, flag: address}
        words = [word for name, where in others.items() for word in (f"--{name}", where)]
        assert_one_sentence(quicgw("dev", *words), address, f"server.{flag} (--{flag})")
