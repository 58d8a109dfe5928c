"""Tokens and certificates for the gRPC port, by the commands: a gateway that asks, and services that can show."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.cli.process import FREE, Gateway, Running, assert_one_sentence, in_process, quicgw
from tests.support.authority import Authority

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-token-of-the-services"


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    file.chmod(0o600)
    return str(file)


def test_services_and_pushes_show_a_token_and_a_certificate(tmp_path: Path, certified: str, tokens: str) -> None:
    ours = Authority("ours")
    server, ca = ours.server_files(tmp_path), str(ours.write(tmp_path))
    for name, content in ours.client("service").items():
        (tmp_path / f"own.{name}").write_bytes(content)
    file = tmp_path / "gateway.toml"
    control = f'grpc_token_file = "{tokens}"\ncert = "{server["cert"]}"\nkey = "{server["key"]}"\nclient_ca = "{ca}"\n'
    file.write_text(f"{certified}[control]\n{control}")
    shown = ("--token-file", tokens, "--ca", ca, "--cert", f"{tmp_path}/own.cert", "--key", f"{tmp_path}/own.key")
    push = ("push", "unicast", "--to", "openid:nobody")
    with (
        Gateway("serve", "--config", str(file)) as gateway,
        Running("upstream", "--gateway", gateway.grpc, *shown) as services,
    ):
        done = in_process("call", "after", "--data", "x", "--server", gateway.quic, "--insecure")
        assert (done.returncode, "notify" in done.stdout) == (0, True), done
        assert quicgw(*push, "--gateway", gateway.grpc, *shown).stdout.startswith("refused: TARGET_NOT_FOUND")
        without_token = quicgw(*push, "--gateway", gateway.grpc, *shown[2:])
        assert_one_sentence(
            without_token, "asks for a token, and none was shown (--token-file", "control.grpc_token_file"
        )
        assert "--gateway" not in without_token.stderr
        service = quicgw("upstream", "--gateway", gateway.grpc, *shown[2:])
        assert_one_sentence(service, "asks for a token, and none was shown (--token-file")
        assert "running" not in service.stderr
        assert_one_sentence(quicgw(*push, "--gateway", gateway.grpc, *shown[:4]), gateway.grpc)
        services.signal(signal.SIGTERM)
        assert services.ended() == (0, "")


def test_the_embedded_services_show_the_token_of_their_gateway(tmp_path: Path, tokens: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'[control]\ngrpc_token_file = "{tokens}"\n[routing]\nmode = "zone"\n')
    with Gateway("dev", "--config", str(file)) as gateway:
        done = in_process("call", "after", "--data", "x", "--server", gateway.quic, "--insecure")
        assert (done.returncode, "notify" in done.stdout) == (0, True), done


def test_a_running_gateway_takes_other_tokens(tmp_path: Path, certified: str, tokens: str) -> None:
    operators, file = tmp_path / "operators", tmp_path / "gateway.toml"
    operators.write_text("a-token-of-the-operators")
    operators.chmod(0o600)
    control = f'grpc_token_file = "{tokens}"\nadmin_token_file = "{operators}"\n'
    file.write_text(f"server.watch = 0\n{certified}[control]\n{control}")
    push = ("push", "unicast", "--to", "openid:nobody", "--token-file", tokens)
    with Gateway("serve", "--config", str(file)) as gateway:
        assert_one_sentence(quicgw("reload", "--admin", gateway.admin), "asks for a token", "--token-file names one")
        assert "TARGET_NOT_FOUND" in quicgw(*push, "--gateway", gateway.grpc).stdout
        (tmp_path / "tokens").write_text("another-token-of-the-services")
        done = quicgw("reload", "--admin", gateway.admin, "--config", str(file))
        assert "control.grpc_token_file: the file has another content" in done.stdout, done
        (tmp_path / "tokens").write_text(TOKEN)
        assert_one_sentence(quicgw(*push, "--gateway", gateway.grpc), "another one was shown (--token-file")
        # What cannot be used is refused, and the tokens of before stay.
        (tmp_path / "tokens").write_text("short")
        done = quicgw("reload", "--admin", gateway.admin, "--token-file", str(operators))
        assert (done.returncode, "a token at least 16" in done.stdout) == (1, True), done
        (tmp_path / "tokens").write_text("another-token-of-the-services")
        assert "TARGET_NOT_FOUND" in quicgw(*push, "--gateway", gateway.grpc).stdout


@pytest.mark.parametrize("half", ["--cert", "--key"])
def test_half_a_pair_is_a_wrong_command_line(tokens: str, half: str) -> None:
    done = quicgw("push", "broadcast", half, tokens)
    assert (done.returncode, "go together" in done.stderr) == (2, True)


def test_a_certificate_without_an_authority_and_a_file_without_a_token(tmp_path: Path, tokens: str) -> None:
    done = quicgw("push", "broadcast", "--cert", tokens, "--key", tokens)
    assert (done.returncode, "give --ca" in done.stderr) == (2, True)
    (tmp_path / "empty").write_text("# nothing\n")
    assert_one_sentence(
        quicgw("push", "broadcast", "--token-file", str(tmp_path / "empty")), "no line of it is a token"
    )


@pytest.mark.parametrize("port", ["grpc", "admin"])
def test_a_port_that_is_not_on_loopback_asks_who_it_is_or_does_not_open(
    certified: str, tmp_path: Path, port: str
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(certified)
    ports = {"--quic": FREE, "--grpc": FREE, "--admin": FREE, f"--{port}": "a-name.invalid:0"}
    flags = [part for pair in ports.items() for part in pair]
    done = quicgw("serve", "--config", str(file), *flags)
    assert_one_sentence(done, f"server.{port}", f"control.{port}_token_file", f'control.open_to_network = ["{port}"]')
    # The name is looked up only when it may be: what is said then is another thing.
    file.write_text(f'{certified}[control]\nopen_to_network = ["{port}"]\n')
    done = quicgw("serve", "--config", str(file), *flags)
    assert done.returncode == 3
    assert "open to the network" in done.stderr
    assert "cannot listen on a-name.invalid:0" in done.stderr
