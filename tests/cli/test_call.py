from __future__ import annotations

import asyncio
import base64
import json
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.cli.calling import CLOSE_TIMEOUT, GRACE, Caller, Wish
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient
from tests.cli.process import (
    PATIENCE,
    Gateway,
    assert_one_sentence,
    environment,
    in_process,
    quicgw,
    stats,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


CALL = [sys.executable, "-m", "quicgw_fast", "call", "--insecure"]


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
    ca = dev.log("certificate made")["file"]
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


def test_two_calls_at_once_do_not_take_each_others_session(dev: Gateway) -> None:
    command = [*CALL, "sleep", "-p", "ms=1000", "--server", dev.quic]
    both = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(text.startswith("reply 2 200 ") and "SUPERSEDED" not in text for text in said)


def token(subject: object) -> str:
    """A token for somebody, with a signature that only a gateway looks at."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def test_the_tokens_subject_is_the_default_openid_and_another_one_is_told(dev: Gateway) -> None:
    info = call(dev, "session_info", "--token", token("alice"), "--json")
    assert json.loads(told(info)[0]["data"])["openid"] == "alice"
    assert info.stderr == ""
    other = call(dev, "session_info", "--token", token("alice"), "--openid", "bob", "--json")
    assert json.loads(told(other)[0]["data"])["openid"] == "bob"
    assert "the token is for 'alice' (claim sub), --openid is 'bob'" in other.stderr


@pytest.mark.parametrize("odd", ["x", "a.b.c", token(5), token(""), "..", "e30.W10.x"])
def test_a_token_of_another_form_is_the_gateways_business(dev: Gateway, odd: str) -> None:
    done = call(dev, "echo", "--token", odd, "--data", "x")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_gateway_that_stops_answering_ends_a_call_in_its_time() -> None:
    """Stopped, not killed: a killed one's port would say that nobody is there."""
    with Gateway("dev") as gateway:
        told: list[float] = []
        before = stats(gateway)["counters"]["requests"]
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "quicgw_fast",
                "call",
                "sleep",
                "-p",
                "ms=20000",
                "-t",
                "2s",
                "-k",
                "-s",
                gateway.quic,
            ],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            until(lambda: stats(gateway)["counters"]["requests"] == before + 2)
            started = time.monotonic()
            gateway.signal(signal.SIGSTOP)
            try:
                said = process.communicate(timeout=PATIENCE)[0]
                told.append(time.monotonic() - started)
            finally:
                gateway.signal(signal.SIGCONT)
        assert (process.returncode, said) == (1, "error no reply to 'sleep' within 2 s\n")
        assert told[0] < 2 + GRACE + CLOSE_TIMEOUT + 10.0


def test_a_black_hole_is_given_up_when_one_says() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        done = in_process("call", "echo", "-k", "-s", address, "--connect-timeout", "300ms")
        assert time.monotonic() - started < 8, "not the 10 s that it takes otherwise"
    assert_one_sentence(done, "no answer", address, "--server names another address")


def test_values_that_the_client_refuses_are_wrong_usage(dev: Gateway) -> None:
    done = call(dev, "echo", "--openid", "x" * 100_000)
    assert "Traceback" not in done.stderr
    assert done.returncode in (1, 2, 3)
