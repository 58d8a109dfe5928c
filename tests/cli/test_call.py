from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast._proto import service_pb2 as pb
from quicgw_fast.cli.calling import Caller, Wish
from quicgw_fast.upstream import GatewayClient
from tests.cli.process import Gateway, assert_one_sentence, in_process, quicgw

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def call(dev: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process("call", *arguments, "--server", dev.quic, "--insecure")


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_echo(dev: Gateway) -> None:
    done = quicgw("call", "echo", "--data", "grüße\nzweite Zeile", "--server", dev.quic, "--insecure")
    assert (done.returncode, done.stdout, done.stderr) == (0, "reply 2 200 ok\ngrüße\nzweite Zeile\n", "")


def test_data_from_a_file_and_answers_that_are_no_text(dev: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "data.bin"
    file.write_bytes(b"\x00\xff")
    assert call(dev, "echo", "--data", f"@{file}").stdout == "reply 2 200 ok\n(2 bytes) 00ff\n"
    (reply,) = told(quicgw("call", "echo", "-d", "@-", "-s", dev.quic, "-k", "--json", data=b"\x00\xff"))
    assert reply["data_hex"] == "00ff"


def test_what_a_service_sends_cannot_move_the_cursor(dev: Gateway) -> None:
    done = call(dev, "echo", "--data", "\x1b[2Jgone")
    assert done.stdout == "reply 2 200 ok\n\\x1b[2Jgone\n"


def test_params_and_headers_arrive(dev: Gateway) -> None:
    (reply,) = told(call(dev, "session_info", "--header", "trace=42", "--openid", "alice", "--json"))
    info = json.loads(reply["data"])
    assert info["openid"] == "alice"
    assert info["headers"]["trace"] == "42"
    done = call(dev, "calculate", "-p", "op=div", "-p", "a=9", "-p", "b=2")
    assert done.stdout == "reply 2 200 ok\n4.5\n"


def test_notifies_stand_where_their_numbers_say(dev: Gateway) -> None:
    before = call(dev, "before", "--param", "count=2")
    assert [line for line in before.stdout.splitlines() if line[0].isalnum()] == [
        "notify 2 [before] before",
        "before 1 of 2",
        "notify 3 [before] before",
        "before 2 of 2",
        "reply 4 200 2 pushed",
    ]
    after = told(call(dev, "after", "--param", "count=2", "--json"))
    assert [(one["kind"], one["seq_id"]) for one in after] == [("reply", 2), ("notify", 3), ("notify", 4)]
    assert after[1]["type"] == "after"
    assert after[1]["headers"]["index"] == "1"


async def test_an_error_stands_between_its_notifies_too(dev: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    wish = Wish("sleep", {"ms": "20000"}, b"", {}, timeout=2.0, wait=0.2)
    calling = asyncio.create_task(Caller(dev.quic, "bound-to-fail", "", None, True).call(wish, as_json=True))
    services = GatewayClient(dev.grpc)
    for hint in (pb.NSH_BEFORE_RESPONSE, pb.NSH_AFTER_RESPONSE):
        await push_until_taken(services, hint, calling)
    assert await calling == 1
    await services.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["notify", "error", "notify"]
    assert [line["seq_id"] for line in lines] == [2, 3, 4]
    assert lines[1]["code"] == 504


async def push_until_taken(
    services: GatewayClient, hint: pb.NotifySyncHint.ValueType, calling: asyncio.Task[int]
) -> None:
    """Bind a notify to request 2 as soon as the caller has a session."""
    push = pb.UnicastPushRequest(target_type="openid", target_id="bound-to-fail", sync_hint=hint, bind_client_seq_id=2)
    while not calling.done() and not (answer := await services.push(push)).success:
        assert answer.error_code == "TARGET_NOT_FOUND"
        await asyncio.sleep(0.01)


def test_hello_is_the_login_itself(dev: Gateway) -> None:
    done = call(dev, "hello", "--openid", "alice")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "reply 1 200 ok"
    assert done.stdout.splitlines()[-1] == "hello alice"
    refused = call(dev, "HELLO", "--param", "refuse=403")
    assert (refused.returncode, refused.stdout) == (1, "reply 1 403 login refused, as asked for\n")


def test_an_error_of_the_service_exits_with_1(dev: Gateway) -> None:
    done = call(dev, "fail", "--param", "code=418")
    assert (done.returncode, done.stdout) == (1, "reply 2 418 failed, as asked for\n")


def test_an_error_of_the_gateway_exits_with_1(dev: Gateway) -> None:
    done = call(dev, "fail", "--param", "grpc=1", "--json")
    (error,) = told(done)
    assert done.returncode == 1
    assert (error["kind"], error["code"], error["message"]) == ("error", 500, "upstream failed")


def test_a_deadline_is_the_gateways(dev: Gateway) -> None:
    done = call(dev, "sleep", "--param", "ms=20000", "--timeout", "300ms")
    assert done.returncode == 1
    assert done.stdout.startswith("error 2 504 deadline passed")


def test_the_certificate_is_verified(dev: Gateway) -> None:
    untrusted = quicgw("call", "echo", "--server", dev.quic)
    assert_one_sentence(untrusted, "certificate", "--ca", "--insecure")
    ca = dev.log("certificate made")["ca"]
    trusted = in_process("call", "echo", "--server", dev.quic, "--ca", ca, "--data", "safe")
    assert (trusted.returncode, trusted.stdout) == (0, "reply 2 200 ok\nsafe\n")


def test_a_ca_file_that_is_none(dev: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("junk")
    assert_one_sentence(in_process("call", "echo", "--server", dev.quic, "--ca", str(file)), "ca.pem", "--ca")


def test_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert_one_sentence(quicgw("call", "echo", "--server", address, "--insecure"), address, "--server")


@pytest.mark.parametrize("wait", ["0", "200ms"])
def test_waiting_ends(dev: Gateway, wait: str) -> None:
    assert call(dev, "time", "--wait", wait).returncode == 0
