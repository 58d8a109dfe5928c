from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.push_lines import read_push
from quicgw_fast.client import connect
from tests.cli.process import assert_one_sentence, in_process, quicgw
from tests.demo.fake_gateway import FakeGateway

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


async def pushed(dev: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    """While a client of the test acknowledges."""
    return await asyncio.to_thread(push, dev, *arguments)


async def test_what_may_be_asked_for(dev: Gateway) -> None:
    async with connect(dev.quic, openid="asked", insecure=True) as client:
        to = ("unicast", "--to", "openid:asked")
        done = await pushed(
            dev, *to, "--wait-ack", "10s", "--ttl", "30s", "--supersede", "score", "--idempotency-key", "k"
        )
        assert (done.returncode, done.stdout) == (0, "sent, acknowledged\n")
        again = await pushed(dev, *to, "--ttl", "30s", "--supersede", "score", "--idempotency-key", "k", "--json")
        told = json.loads(again.stdout)
        assert (told["version"], told["outcome"], told["success"]) == (1, "ACKNOWLEDGED", True)
        other = await pushed(dev, *to, "--content", "other", "--idempotency-key", "k")
        assert (other.returncode, other.stdout.split()[1]) == (1, "IDEMPOTENCY_CONFLICT")
        assert (await pushed(dev, *to, "--title", "last")).returncode == 0
        assert [(await client.next_notify(10)).title for _ in range(2)] == ["", "last"]


async def test_what_is_not_acknowledged_is_no_success(dev: Gateway) -> None:
    client = await connect(dev.quic, openid="away", insecure=True)
    await client.detach()
    done = await pushed(dev, "unicast", "--to", "openid:away", "--wait-ack", "200ms")
    assert (done.returncode, done.stdout) == (1, "retained, pending\n")
    done = await pushed(dev, "unicast", "--to", "openid:away", "--wait-ack", "10s", "--ttl", "100ms")
    assert (done.returncode, done.stdout) == (1, "waiting, lost: TTL\n")


async def test_a_batch(dev: Gateway, tmp_path: Path) -> None:
    lines = [{"target_type": "openid", "target_id": "batched", "content": str(at)} for at in range(3)]
    lines[0] |= {"wait_ack_ms": 10_000}
    file = tmp_path / "pushes.jsonl"
    async with connect(dev.quic, openid="batched", insecure=True) as client:
        file.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
        done = await pushed(dev, "batch", str(file))
        assert (done.returncode, done.stdout) == (0, "sent, acknowledged\nsent\nsent\n")
        assert [(await client.next_notify(10)).data for _ in range(3)] == [b"0", b"1", b"2"]
        file.write_text("\n".join(map(json.dumps, [*lines[1:], {"target_type": "openid", "target_id": "nobody"}])))
        done = await pushed(dev, "batch", str(file), "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["version"]) == (1, 1)
        assert [each["error_code"] for each in told["responses"]] == ["", "", "TARGET_NOT_FOUND"]


def test_a_file_that_is_more_than_one_call(dev: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "pushes.jsonl"
    file.write_text('{"target_type": "openid", "target_id": "nobody"}\n' * 2000)
    done = push(dev, "batch", str(file))
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 2000)


GOOD = '"target_type": "openid", "target_id": "alice"'
WRONG = (
    ("{", "it is not JSON from column 2 on; write for example {"),
    ("nonsense", "it is not JSON from column 1 on"),
    ("[" * 100_000, "it is not JSON; write for example {"),
    ("[1]", "it is [1]; write an object, for example {"),
    ("{}", "target_type is missing; write for example {"),
    ('{"target_type": "openid"}', "target_id is missing"),
    ('{"target_type": "openid", "target_id": ""}', "target_id is missing"),
    ('{"target_type": "room", "target_id": "a"}', 'target_type is "room"; write one of session, openid, gid'),
    (f'{{{GOOD}, "contents": "x"}}', "there is no field contents; did you mean content?"),
    (f'{{{GOOD}, "xyz": "x"}}', "there is no field xyz; known: target_type, target_id,"),
    (f'{{{GOOD}, "\\u001b[2J": "x"}}', "there is no field \\x1b[2J"),
    (f'{{{GOOD}, "content": 7}}', 'content is 7; write a text, for example "hello"'),
    (f'{{{GOOD}, "content": "\\ud800"}}', "; write a text"),
    (f'{{{GOOD}, "content": "a", "content": "b"}}', "content is written twice"),
    (f'{{{GOOD}, "wait_ack_ms": "soon"}}', 'wait_ack_ms is "soon"; write a whole number from 0 to 4294967295'),
    (f'{{{GOOD}, "wait_ack_ms": -1}}', "wait_ack_ms is -1; write a whole number"),
    (f'{{{GOOD}, "ttl_ms": 1.5}}', "ttl_ms is 1.5; write a whole number"),
    (f'{{{GOOD}, "ttl_ms": 4294967296}}', "ttl_ms is 4294967296; write a whole number"),
    (f'{{{GOOD}, "ttl_ms": true}}', "ttl_ms is true; write a whole number"),
    (f'{{{GOOD}, "data": "n o t"}}', 'data is "n o t"; write bytes in base64, for example "aGVsbG8="'),
    (f'{{{GOOD}, "data": "ü"}}', 'data is "ü"; write bytes in base64'),
    (f'{{{GOOD}, "metadata": {{"a": 1}}}}', 'metadata is {"a": 1}; write an object of texts'),
    (f'{{{GOOD}, "sync_hint": "NOW"}}', "write one of NSH_IMMEDIATELY, NSH_BEFORE_RESPONSE, NSH_AFTER_RESPONSE"),
)


def plain(told: str) -> str:
    """A usage error on one line."""
    return " ".join(told.split())


@pytest.mark.parametrize(("line", "why"), WRONG, ids=[line[:50] for line, _ in WRONG])
def test_each_mistake_of_a_line_is_told_in_our_words(
    line: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    file = tmp_path / "pushes.jsonl"
    file.write_text(f"{{{GOOD}}}\n\n{line}\n")
    done = in_process("push", "batch", str(file))
    assert done.returncode == 2
    told = plain(done.stderr)
    assert f"{file}, line 3: " in told
    assert why in told
    for word in ("Message type", "invalid literal", "Failed to parse", "Expecting", "codec", "Errno"):
        assert word not in told


def test_a_file_of_other_bytes_and_one_without_a_push(tmp_path: Path) -> None:
    file = tmp_path / "pushes.jsonl"
    file.write_bytes(b"\n\xff\n")
    assert "line 2: it is not UTF-8 from byte 1 on" in plain(in_process("push", "batch", str(file)).stderr)
    file.write_bytes(b"\n  \n")
    assert "has no pushes; write one in each line" in plain(in_process("push", "batch", str(file)).stderr)


@pytest.mark.parametrize(
    "more",
    [
        '"targetType": "openid", "targetId": "a", "bindClientSeqId": "18446744073709551615"',
        '"target_type": "gid", "target_id": "a", "sync_hint": 1, "bind_client_seq_id": 7, "title": null',
        '"target_type": "session", "target_id": "a", "metadata": {"k": "v"}, "data": "aGVsbG8=", "content": ""',
    ],
)
def test_a_line_may_be_written_as_protobuf_writes_it(more: str) -> None:
    assert read_push(f"{{{more}}}").target_id == "a"


def test_a_line_that_is_no_push(tmp_path: Path) -> None:
    file = tmp_path / "pushes.jsonl"
    file.write_text('{"target_type": "openid"}\n{"target": "x"}\n')
    done = in_process("push", "batch", str(file))
    assert done.returncode == 2
    assert "line 1: target_id is missing" in plain(done.stderr)
    assert in_process("push", "batch", str(tmp_path / "none.jsonl")).returncode == 3
    too_long = in_process("push", "unicast", "--to", "openid:a", "--ttl", "60d")
    assert too_long.returncode == 2
    assert "49 days" in too_long.stderr


async def test_broadcast(dev: Gateway) -> None:
    async with connect(dev.quic, openid="listener", insecure=True) as client:
        done = push(dev, "broadcast", "--title", "news", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["sent_count"] >= 1
        assert (await client.next_notify(10)).title == "news"
    assert push(dev, "broadcast").stdout.startswith("sent to ")


@pytest.mark.parametrize(
    ("command", "sent"),
    [(("push", "broadcast"), "sent to 42 clients"), (("group", "push", "g"), "sent to 2 of 3 members")],
)
async def test_nodes_of_a_cluster_that_did_not_answer(command: tuple[str, ...], sent: str) -> None:
    gateway = FakeGateway()
    address = await gateway.start()
    try:
        for nodes, behind in (
            ([], ""),
            (["b.1", "c.2"], "; no answer from b.1, c.2, where it may have been sent or not"),
        ):
            gateway.unreached = nodes
            done = await asyncio.to_thread(quicgw, *command, "--gateway", address)
            assert (done.returncode, done.stdout) == (bool(nodes), f"{sent}{behind}\n")
            done = await asyncio.to_thread(quicgw, *command, "--gateway", address, "--json")
            assert (done.returncode, json.loads(done.stdout)["unreached_nodes"]) == (bool(nodes), nodes)
    finally:
        await gateway.stop()


def test_no_gateway() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for arguments in (("unicast", "--to", "openid:a"), ("broadcast",)):
        assert_one_sentence(
            in_process("push", *arguments, "--gateway", address), address, "--gateway", "nothing listens"
        )
