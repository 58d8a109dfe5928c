from __future__ import annotations

import json
import os
import re
import secrets
import stat
import tarfile
from typing import TYPE_CHECKING, BinaryIO

import pytest

from quicgw_fast.auth import issue_token
from quicgw_fast.cli.audit.redaction import Redaction, secrets_of
from quicgw_fast.client import connect
from quicgw_fast.config import Config
from quicgw_fast.config.catalogue import settings
from quicgw_fast.transport import development_certificate
from tests.cli.process import Gateway, assert_one_sentence, in_process, quicgw
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from pathlib import Path


def contents(archive: Path) -> dict[str, str]:
    """The files of an archive by their names in its folder."""
    with tarfile.open(archive) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar.getmembers()}
        return {name.partition("/")[2]: file.read().decode() for name, file in files.items() if file is not None}


async def test_everything_for_help_and_nothing_secret(tmp_path: Path) -> None:
    import asyncio
    import time

    operator, service, signing = (secrets.token_hex(24) for _ in range(3))
    for name, secret in (("operator", operator), ("service", service), ("signing", signing)):
        (tmp_path / name).write_text(f"{secret}\n")
        (tmp_path / name).chmod(0o600)
    cert, key = development_certificate(tmp_path)
    token = issue_token("alice", tmp_path / "signing", algorithm="HS256", ttl=600, wall=time.time())
    async with RawUpstream() as upstream:
        config = tmp_path / "gateway.toml"
        config.write_text(
            f'[tls]\ncert = "{cert}"\nkey = "{key}"\n'
            '[control]\nadmin_token_file = "operator"\ngrpc_token_file = "service"\n'
            '[auth]\nmode = "jwt"\nkey_file = "signing"\nalgorithms = ["HS256"]\n'
            f'[upstream]\nhello = ["{upstream.address}"]\nzone = ["{upstream.address}"]\n'
        )
        log = tmp_path / "log"
        private = key.read_text()
        log.write_text(
            f"told {operator} and {service}\n{private}\nauthorization: Bearer {service[:10]}.x\n"
            f'GET /?token={token} valkey://user:hunter2hunter2@127.0.0.1 password="swordfish9"\n'
        )
        with Gateway("serve", "--config", str(config)) as gateway:
            async with connect(gateway.quic, openid="alice", token=token, insecure=True) as client:
                await client.call("echo", headers={"x": operator}, params={"p": service}, data=signing.encode())
                archive = tmp_path / "audit.tar.gz"
                flags = ["--config", str(config), "--admin", gateway.admin, "--log", str(log), "--output", str(archive)]
                done = await asyncio.to_thread(quicgw, "audit", *flags, extra={"QUICGW_TOKEN": token})
                assert done.returncode == 0, done.stdout + done.stderr
                files = contents(archive)
                one = json.loads(files[f"sessions/{client.session_id}.json"])
    whole = "\n".join(files.values()) + done.stdout + done.stderr
    for secret in (operator, service, signing, token, private.splitlines()[1], "hunter2hunter2", "swordfish9"):
        assert secret not in whole
        assert secret.encode().hex() not in whole
    assert {"config.json", "doctor.json", "versions.json", "stats.json", "sessions.json", "log.txt"} <= set(files)
    assert one["openid"] == "alice"
    assert one["events"], "with its flight recorder"
    assert "told *** and ***" in files["log.txt"]
    assert json.loads(files["stats.json"])["counters"]["logins"] == 1
    assert all(name in files["ABOUT.txt"] for name in files if name != "ABOUT.txt")
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


SECRET_FILES = sorted(
    key for key, setting in settings().items() if setting.is_file and not re.search(r"\.(cert|ca|client_ca|path)$", key)
)


@pytest.mark.parametrize("key", SECRET_FILES)
def test_what_is_in_a_file_of_secrets_is_known(tmp_path: Path, key: str) -> None:
    secret = secrets.token_hex(16)
    (path := tmp_path / "file").write_text(f"# a comment\n{secret}\n")
    table, _, name = key.partition(".")
    assert secret in secrets_of(Config.model_validate({table: {name: path}}))


def test_the_log_of_a_gateway_on_this_machine_is_found(dev: Gateway, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    done = in_process("audit", "--admin", dev.admin, "--output", str(archive), "--sessions", "0", "--json")
    told = json.loads(done.stdout)
    assert (told["version"], told["file"]) == (1, str(archive))
    names = {member["name"] for member in told["members"]}
    assert "gateway started" in contents(archive)["log.txt"]
    assert not [name for name in names if name.startswith("sessions")]


def test_without_a_gateway_there_is_what_this_machine_tells(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    done = in_process("audit", "--admin", "127.0.0.1:9", "--output", str(archive))
    assert done.returncode == 1
    assert "readyz.txt, sessions.json: no answer from the admin address 127.0.0.1:9" in done.stdout
    assert done.stdout.count("no answer from") == 1, "one sentence for all that nobody answered"
    files = contents(archive)
    assert set(files) == {"config.json", "doctor.json", "versions.json", "ABOUT.txt"}
    assert "stats.json: no answer" in files["ABOUT.txt"]


def test_a_disk_that_is_full_is_left_without_a_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _mode: str) -> BinaryIO:
        os.close(_descriptor)
        return open("/dev/full", "wb", buffering=0)  # noqa: PTH123

    monkeypatch.setattr(os, "fdopen", full)
    done = in_process("audit", "--admin", "127.0.0.1:9", "--output", str(tmp_path / "a.tar.gz"))
    assert done.returncode == 3
    assert "No space left on device; --output names another file" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_log_that_is_not_there_is_told_without_numbers(tmp_path: Path) -> None:
    asked = ("--admin", "127.0.0.1:9", "--log", str(tmp_path / "none"), "--output", str(tmp_path / "a.tar.gz"))
    done = in_process("audit", *asked)
    assert f"not there: log.txt: {tmp_path / 'none'}: No such file or directory" in done.stdout
    assert "Errno" not in done.stdout


def test_a_named_pipe_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    asked = ("--admin", "127.0.0.1:9", "--log", str(tmp_path / "pipe"), "--output", str(tmp_path / "a.tar.gz"))
    done = in_process("audit", *asked)
    assert "not there: log.txt" in done.stdout
    assert "it is a named pipe" in done.stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_text("mine")
    done = in_process("audit", "--admin", "127.0.0.1:9", "--output", str(archive), "--json")
    assert done.returncode == 3
    assert "--output" in json.loads(done.stdout)["message"]
    assert archive.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("nothing here", "nothing here"),
        ("first-secret-of-all and first-secret", "*** and ***"),
        ("Authorization: bearer abc.def", "Authorization: bearer ***"),
        ('"client_secret": "abcdef", "n": 1', '"client_secret": "***", "n": 1'),
        ("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln y", "x *** y"),
        ("redis://me:pass@127.0.0.1/0", "redis://***@127.0.0.1/0"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\n", "***\n"),
        ("short", "short"),
    ],
)
def test_what_looks_secret_is_taken_out(text: str, clean: str) -> None:
    assert Redaction(["first-secret", "first-secret-of-all", "short"]).clean(text) == clean


def test_a_token_that_cannot_be_read(tmp_path: Path) -> None:
    assert_one_sentence(in_process("audit", "--token-file", str(tmp_path / "none")), "cannot read")
