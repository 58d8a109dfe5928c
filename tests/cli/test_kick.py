from __future__ import annotations

import json
from functools import partial

import pytest

from quicgw_fast.cli.kick import LONGEST_REASON
from quicgw_fast.client import ConnectionClosed, connect
from quicgw_fast.codes import CloseCode
from quicgw_fast.control.pages import sessions
from tests.cli.process import Gateway, assert_one_sentence, in_process, quicgw

NOBODY = {
    "error": {
        "code": "NOT_FOUND",
        "message": "there is no such session",
        "hint": "quicgw sessions lists those that are there",
    }
}


@pytest.mark.parametrize("kind", ["openid", "session"])
async def test_a_client_is_gone_and_does_not_come_back(dev: Gateway, kind: str) -> None:
    async with connect(dev.quic, openid=f"kicked-by-{kind}", insecure=True) as client:
        name = client.session_id if kind == "session" else f"kicked-by-{kind}"
        done = quicgw("kick", f"{kind}:{name}", "--reason", "maintenance", "--admin", dev.admin)
        assert (done.returncode, done.stdout, done.stderr) == (0, "kicked\n", "")
        with pytest.raises(ConnectionClosed, match="maintenance") as closed:
            await client.call("echo", timeout=10)
        assert closed.value.code == CloseCode.KICKED
    again = quicgw("kick", f"{kind}:{name}", "--admin", dev.admin, "--json")
    assert (again.returncode, json.loads(again.stdout)) == (1, {"version": 1, **NOBODY})


def test_who_is_not_there_cannot_be_kicked(dev: Gateway) -> None:
    told = "there is no such session; quicgw sessions lists those that are there"
    done = quicgw("kick", "openid:nobody", "--admin", dev.admin)
    assert (done.returncode, done.stdout) == (1, f"refused: {told}\n")


@pytest.mark.parametrize("reason", ["two\nlines", "x" * (LONGEST_REASON + 1), "schluß"])
def test_a_reason_that_no_client_can_be_told_is_a_mistake_of_usage(reason: str) -> None:
    done = in_process("kick", "openid:nobody", "--reason", reason)
    assert done.returncode == 2
    assert "must be one line of at most 128 ASCII" in done.stderr


def test_what_is_too_long_is_the_same_for_the_page() -> None:
    assert sessions.LONGEST_REASON == LONGEST_REASON


@pytest.mark.parametrize("who", ["alice", "gid:7", "openid:"])
def test_a_name_of_no_kind_is_a_mistake_of_usage(who: str) -> None:
    assert in_process("kick", who).returncode == 2


def test_without_a_gateway_it_says_so() -> None:
    done = in_process("kick", "openid:alice", "--admin", "127.0.0.1:9")
    assert done.returncode == 3
    assert_one_sentence(done)


async def test_all_devices_of_an_openid_go_at_once() -> None:
    with Gateway("dev", extra={"QUICGW_SESSION__DEVICES": "2"}) as dev:
        alice = partial(connect, dev.quic, openid="alice", insecure=True)
        async with alice() as first, alice() as second:
            pushed = quicgw("push", "unicast", "--to", "openid:alice", "--gateway", dev.grpc)
            assert pushed.stdout == "sent, in 2 sessions\n"
            done = quicgw("kick", "openid:alice", "--admin", dev.admin)
            assert (done.returncode, done.stdout) == (0, "kicked 2 sessions\n")
            for client in (first, second):
                with pytest.raises(ConnectionClosed) as closed:
                    await client.call("echo", timeout=10)
                assert closed.value.code == CloseCode.KICKED
