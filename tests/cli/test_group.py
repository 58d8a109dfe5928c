"""``quicgw group``: what a service can do about groups, from a shell."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from quicgw_fast.client import connect
from tests.cli.process import quicgw
from tests.demo.fake_gateway import FakeGateway

if TYPE_CHECKING:
    import subprocess

    from tests.cli.process import Gateway


def group(dev: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    return quicgw("group", *arguments, "--gateway", dev.grpc)


def lines(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split() for line in done.stdout.splitlines()]


async def test_members_come_hear_and_go(dev: Gateway) -> None:
    async with (
        connect(dev.quic, openid="ada", insecure=True) as ada,
        connect(dev.quic, openid="ben", insecure=True) as ben,
    ):
        assert ada.session_id is not None
        assert group(dev, "join", "room", "--member", "openid:ada").stdout == "joined: 1 session\n"
        done = group(dev, "join", "room", "--member", f"session:{ben.session_id}", "--ttl", "1h")
        assert done.stdout == "joined: 1 session\n"
        head, first, second = lines(group(dev, "members", "room"))
        assert head == ["SESSION", "OPENID", "CLIENT", "LEAVES", "IN"]
        assert first == [ada.session_id, "ada", "ATTACHED", "-"]
        assert (second[1], second[4]) == ("ben", "s")
        told = json.loads(group(dev, "members", "room", "--limit", "1", "--json").stdout)
        assert ([member["openid"] for member in told["members"]], told["more"]) == (["ada"], True)
        done = group(
            dev, "push", "room", "--type", "chat", "--content", "hi", "--meta", "k=v", "--idempotency-key", "1"
        )
        assert done.stdout == "sent to 2 of 2 members\n"
        for client in (ada, ben):
            notify = await client.next_notify(10)
            assert (notify.type, notify.content, notify.headers["k"]) == ("chat", "hi", "v")
        listed = lines(quicgw("group", "list", "--admin", dev.admin))
        assert listed[0] == ["NAME", "MEMBERS"]
        assert ["room", "2"] in listed
        assert group(dev, "leave", "room", "--member", "openid:ben").stdout == "left: 1 session\n"
        assert group(dev, "leave", "room", "--member", "openid:ben").stdout == "not a member: 0 sessions\n"


async def test_a_list_comes_in_pages(dev: Gateway) -> None:
    async with connect(dev.quic, openid="cas", insecure=True):
        for number in range(3):
            assert group(dev, "join", f"page-{number}", "--member", "openid:cas").returncode == 0
        told = json.loads(quicgw("group", "list", "--admin", dev.admin, "--limit", "2", "--json").stdout)
        assert (told["version"], len(told["groups"])) == (1, 2)
        assert told["total"] >= 3


def test_what_is_refused_says_why(dev: Gateway) -> None:
    done = group(dev, "join", "room", "--member", "openid:nobody")
    assert done.returncode == 1
    assert done.stdout.startswith("refused: TARGET_NOT_FOUND ")
    for command in ("members", "push"):
        done = group(dev, command, "a\nb", "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["success"], told["error_code"]) == (1, False, "BAD_GROUP")


async def test_members_of_nodes_that_do_not_answer_are_left_out_and_that_is_told() -> None:
    gateway = FakeGateway()
    address = await gateway.start()
    try:
        for nodes in ([], ["b.1"]):
            gateway.unreached = nodes
            done = await asyncio.to_thread(quicgw, "group", "members", "room", "--gateway", address, "--json")
            told = json.loads(done.stdout)
            assert (done.returncode, told["unreached_nodes"]) == (bool(nodes), nodes)
            assert [member["openid"] for member in told["members"]] == ["alice"], "of those that did"
        done = await asyncio.to_thread(quicgw, "group", "members", "room", "--gateway", address)
        assert done.stdout.splitlines()[-1] == "1 member; no answer from b.1, whose members are left out"
    finally:
        await gateway.stop()
