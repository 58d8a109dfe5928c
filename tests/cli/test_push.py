from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from quicgw_fast.client import connect
from tests.cli.process import assert_one_sentence, in_process, quicgw

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.cli.process import Gateway


def push(dev: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    return quicgw("push", *arguments, "--gateway", dev.grpc)


async def test_unicast_reaches_its_client(dev: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "note.bin"
    file.write_bytes(b"\x00note")
    async with connect(dev.quic, openid="mailbox", insecure=True) as client:
        assert client.hello is not None
        for target in ("openid:mailbox", f"session:{client.session_id}", f"gid:{client.hello.headers['gid']}"):
            done = push(
                dev, "unicast", "--to", target, "--type", "mail", "--title", "T", "--content", "C",
                "--data", f"@{file}", "--meta", "k=v",
            )  # fmt: skip
            assert (done.returncode, done.stdout, done.stderr) == (0, "sent\n", "")
            notify = await client.next_notify(10)
            assert (notify.type, notify.title, notify.content, notify.data) == ("mail", "T", "C", b"\x00note")
            assert notify.headers["k"] == "v"


async def test_bound_pushes(dev: Gateway) -> None:
    async with connect(dev.quic, openid="bound", insecure=True) as client:
        to = ("unicast", "--to", "openid:bound")
        assert push(dev, *to, "--before", "2", "--title", "first").returncode == 0
        assert push(dev, *to, "--after", "2", "--title", "last").returncode == 0
        reply = await client.call("echo")
        first, last = await client.next_notify(10), await client.next_notify(10)
        assert (first.title, last.title) == ("first", "last")
        assert (first.seq_id, last.seq_id) == (reply.seq_id - 1, reply.seq_id + 1)
        late = push(dev, *to, "--before", "2")
        assert late.returncode == 1
        assert late.stdout.startswith("refused: RESPONSE_ALREADY_SENT ")


def test_refused_because_nobody_is_there(dev: Gateway) -> None:
    done = push(dev, "unicast", "--to", "openid:nobody")
    assert done.returncode == 1
    assert done.stdout.startswith("refused: TARGET_NOT_FOUND ")
    told = json.loads(push(dev, "unicast", "--to", "openid:nobody", "--json").stdout)
    assert (told["success"], told["error_code"]) == (False, "TARGET_NOT_FOUND")


async def test_broadcast(dev: Gateway) -> None:
    async with connect(dev.quic, openid="listener", insecure=True) as client:
        done = push(dev, "broadcast", "--title", "news", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["sent_count"] >= 1
        assert (await client.next_notify(10)).title == "news"
    assert push(dev, "broadcast").stdout.startswith("sent to ")


def test_no_gateway() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for arguments in (("unicast", "--to", "openid:a"), ("broadcast",)):
        assert_one_sentence(
            in_process("push", *arguments, "--gateway", address), address, "--gateway", "nothing listens"
        )
