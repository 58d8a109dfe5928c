"""The directory goes away, and comes back: with its data, without it, or only for some."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cluster.lease import NodeStanding
from quicgw_fast.placement import HERE, PlaceTrouble
from tests.cluster.town import LEASE, Town, told
from tests.support.directory_server import until
from tests.support.tcp_relay import TcpRelay

if TYPE_CHECKING:
    from tests.cluster.town import Inhabitant
    from tests.support.directory_server import DirectoryServer


async def away(node: Inhabitant) -> None:
    await until(lambda: not node.node.link.up)


async def back(node: Inhabitant) -> None:
    """The directory is there, and everything that this node has is confirmed."""
    lease = node.node.lease
    await until(lambda: node.node.link.up and node.node.membership.standing is NodeStanding.HELD)
    await until(lambda: all(claim.term == lease.term and not claim.untold for claim in node.node.claims))


async def come_in_time(node: Inhabitant, openid: str, session_id: str = "") -> None:
    """Ask until it is granted, as clients do that are told to come again."""
    async with asyncio.timeout(10 * LEASE):
        while not (await node.come(openid, session_id)).here:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("forgets", [False, True], ids=["with its data", "without its data"])
@pytest.mark.parametrize("late", [False, True], ids=["soon", "late"])
async def test_a_restart_of_the_directory_loses_nothing(
    shaky_town: Town, own_server: DirectoryServer, *, forgets: bool, late: bool
) -> None:
    # Once it is back, less than a lease is left to find it in, of which a busy machine takes its part.
    lease = 2 * LEASE
    one = await shaky_town.join("one", founding=False, lease=lease)
    two = await shaky_town.join("two", founding=False, lease=lease)
    await come_in_time(one, "alice", "s1")
    await come_in_time(two, "bob", "s2")
    await until(lambda: not one.node.telling.under_way and not two.node.telling.under_way)
    own_server.kill()
    await away(one)
    await away(two)
    assert one.node.placement.claim("alice", "s1") is HERE, "what is here needs no directory"
    asked = time.monotonic()
    place = await two.come("alice")
    assert (place.here, place.trouble) == (False, PlaceTrouble.DIRECTORY_UNAVAILABLE)
    assert place.retry_after
    assert time.monotonic() - asked < 0.2, "nobody waits for who is known to be away"
    found = await told(two.node.placement.find("openid", "alice"))
    assert found.trouble is PlaceTrouble.DIRECTORY_UNAVAILABLE
    if late:
        await until(lambda: one.node.membership.standing is two.node.membership.standing is NodeStanding.VOUCHED)
        await asyncio.sleep(lease)
    assert one.node.placement.may_act("alice"), "the others vouch"
    if forgets:
        own_server.forget()
    await asyncio.to_thread(own_server.start)  # the nodes go on meanwhile
    await back(one)
    await back(two)
    assert not one.voided
    assert not two.voided
    await come_in_time(two, "alice")
    assert two.sessions["alice"] == ("s1", b"s1")
    await come_in_time(one, "bob")
    assert one.sessions["bob"] == ("s2", b"s2")


async def test_a_directory_that_forgets_everything_while_it_runs_is_found_out(
    shaky_town: Town, own_server: DirectoryServer
) -> None:
    one, two = await shaky_town.join("one"), await shaky_town.join("two")
    await one.come("alice", "s1")
    one.node.placement.settled("alice", "s1", "e", "friends")
    await until(lambda: not one.node.telling.under_way)
    own_server.flush()
    place = await two.come("alice")
    assert (place.here, place.trouble) == (False, PlaceTrouble.DIRECTORY_UNAVAILABLE)
    assert one.node.placement.may_act("alice")
    async with asyncio.timeout(10 * LEASE):  # it is told of the gid, too
        while (await told(two.node.placement.find("gid", "friends"))).nodes != (one.node.name,):
            await asyncio.sleep(0.02)  # the directory tells nobody what it is told
    await come_in_time(two, "alice")
    assert two.sessions["alice"] == ("s1", b"s1")


async def test_a_directory_that_stands_still_is_given_up_and_found_again(
    shaky_town: Town, own_server: DirectoryServer
) -> None:
    one, two = await shaky_town.join("one"), await shaky_town.join("two")
    await one.come("alice", "s1")
    await until(lambda: len(one.node.membership.nodes) == 2)
    own_server.pause()
    place = await two.come("alice")
    assert (place.here, place.trouble) == (False, PlaceTrouble.DIRECTORY_UNAVAILABLE)
    await asyncio.sleep(2 * LEASE)
    assert one.node.placement.may_act("alice")
    own_server.go_on()
    await back(one)
    await back(two)
    await come_in_time(two, "alice")
    assert two.sessions["alice"] == ("s1", b"s1")


async def test_who_is_cut_off_from_everybody_stops_in_time(shaky_town: Town, own_server: DirectoryServer) -> None:
    async with TcpRelay(own_server.address) as relay:
        two = await shaky_town.join("two")
        one = await shaky_town.join("one", url=f"valkey://{relay.address}")
        await two.node.membership._renew()
        await one.come("alice", "s1")
        await until(lambda: not one.node.telling.under_way)
        relay.lose()
        shaky_town.unreachable = {("two", "one"), ("one", "two")}
        while not (place := await two.come("alice", "s2")).here:
            assert place.trouble is PlaceTrouble.NODE_UNREACHABLE
            await asyncio.sleep(0.01)
        assert [lost.session_id for lost in place.lost] == ["s1"]
        assert not one.node.placement.may_act("alice"), "before another one began"
        await until(lambda: one.standings[-1] is NodeStanding.SUSPENDED)
        assert not (await one.come("carol", "s3")).here
        shaky_town.unreachable.clear()
        relay.restore()
        await back(one)
        assert one.voided == ["alice"]
        assert (await one.come("alice")).arrivals == (b"s2",)


async def test_who_is_cut_off_from_the_directory_alone_goes_on(shaky_town: Town, own_server: DirectoryServer) -> None:
    async with TcpRelay(own_server.address) as relay:
        two = await shaky_town.join("two")
        one = await shaky_town.join("one", url=f"valkey://{relay.address}")
        await one.come("alice", "s1")
        await until(lambda: not one.node.telling.under_way)
        relay.lose()
        await asyncio.sleep(2 * LEASE)
        assert one.node.membership.standing is NodeStanding.VOUCHED
        assert one.node.placement.may_act("alice")
        assert (await two.come("alice")).arrivals == (b"s1",), "it can be asked"
        assert not one.node.placement.may_act("alice")


async def test_a_pause_longer_than_the_lease_is_noticed_before_anything_is_done(shaky_town: Town) -> None:
    one, two = await shaky_town.join("one"), await shaky_town.join("two")
    await one.come("alice", "s1")
    await one.come("bob", "s2")
    await until(lambda: not one.node.telling.under_way)
    await one.node.membership.stop()  # it stands still, and so does whatever it would answer
    shaky_town.unreachable = {("two", "one")}
    await asyncio.sleep(1.2 * LEASE)
    await come_in_time(two, "alice", "s3")
    assert not one.node.placement.may_act("alice")
    assert not one.node.placement.may_act("bob")
    assert one.node.placement.claim("bob", "s2") is not HERE
    shaky_town.unreachable.clear()
    await one.node.membership.start()
    await back(one)
    assert one.voided == ["alice"]
    assert one.node.placement.may_act("bob"), "nobody wanted it meanwhile"
    assert one.node.placement.claim("bob", "s2") is HERE


async def test_who_accepts_without_the_directory_is_the_newer_one_when_it_is_back(
    shaky_town: Town, own_server: DirectoryServer
) -> None:
    one = await shaky_town.join("one")
    two = await shaky_town.join("two", on_directory_loss="accept")
    await one.come("alice", "s1")
    await until(lambda: not one.node.telling.under_way)
    own_server.kill()
    await away(two)
    assert await two.come("alice", "s2") == HERE
    assert two.count("accepted") == 1
    await asyncio.to_thread(own_server.start)  # the nodes go on meanwhile
    await back(one)
    await back(two)
    await until(lambda: not one.node.placement.may_act("alice"))
    assert two.node.placement.may_act("alice")
    assert two.sessions["alice"] == ("s2", b"s2")


async def test_what_ended_while_it_was_away_is_released_afterwards(
    shaky_town: Town, own_server: DirectoryServer
) -> None:
    one, two = await shaky_town.join("one"), await shaky_town.join("two")
    await one.come("alice", "s1")
    await until(lambda: not one.node.telling.under_way)
    own_server.kill()
    await away(one)
    one.leave("alice")
    await asyncio.to_thread(own_server.start)  # the nodes go on meanwhile
    await back(one)
    await back(two)
    one.node.placement.tend(time.monotonic())
    young = await told(two.node.placement.find("session", "s1"))
    assert young.trouble is PlaceTrouble.DIRECTORY_UNAVAILABLE, "it may be somebody's who has not said so again"
    async with asyncio.timeout(10):
        while await told(two.node.placement.find("session", "s1")) != HERE:
            await asyncio.sleep(0.05)


async def test_a_server_that_started_again_is_asked_for_nothing_before_the_lease_is_from_it(
    shaky_town: Town, own_server: DirectoryServer
) -> None:
    """Its data may be older than what nodes know, and names the era of before until somebody renews."""
    one, two = await shaky_town.join("one", lease=20.0), await shaky_town.join("two", lease=20.0)
    await one.come("alice", "s1")
    await until(lambda: not one.node.telling.under_way)
    for node in (one, two):
        await node.node.membership.stop()  # nobody renews yet
    own_server.command("DEL", "{quicgw}:at:alice", "{quicgw}:sid:s1")  # it was not told so lately
    own_server.kill()
    for node in (one, two):
        await node.node.membership.look_again()
        await away(node)
    await asyncio.to_thread(own_server.start)  # the nodes go on meanwhile
    await until(lambda: two.node.link.up)
    place = await two.come("alice", "s2")
    assert (place.here, place.trouble) == (False, PlaceTrouble.DIRECTORY_UNAVAILABLE)
    found = await told(two.node.placement.find("session", "s1"))
    assert found.trouble is PlaceTrouble.DIRECTORY_UNAVAILABLE
    await two.node.membership.look_again()
    assert (await two.come("alice", "s2")).trouble is PlaceTrouble.DIRECTORY_UNAVAILABLE, "nor in its first lease"
    await until(lambda: one.node.link.up)
    await one.node.membership.start()
    await back(one)
    assert not one.voided


async def test_a_session_of_a_claim_that_new_data_does_not_know_yet_is_told_with_it(
    shaky_town: Town, own_server: DirectoryServer
) -> None:
    one = await shaky_town.join("one", lease=20.0)
    await one.come("alice", "s1")
    await until(lambda: not one.node.telling.under_way)
    confirm, one.node.membership._confirm = one.node.membership._confirm, lambda: None  # as if there were many
    own_server.kill()
    own_server.forget()
    await away(one)
    await asyncio.to_thread(own_server.start)  # the nodes go on meanwhile
    await until(lambda: one.node.lease.term == 2)
    assert one.node.placement.claim("alice", "s1") is HERE
    one.node.placement.settled("alice", "s2", "e", "")
    await until(lambda: not one.node.telling.under_way)
    assert not one.voided
    one.node.membership._confirm = confirm
    await one.node.membership.look_again()
    await back(one)
    assert b" s2 e" in own_server.command("HVALS", "{quicgw}:at:alice")
    assert one.metrics.count("claims_confirmed", "confirmed") == 1, "it was asked about once"


async def test_many_claims_are_back_soon_and_nobody_is_held_up(quick_server: DirectoryServer) -> None:
    town = Town(quick_server.url)
    try:
        await many_claims_come_back(await town.join("one", lease=10.0), quick_server)
    finally:
        await town.close()


async def many_claims_come_back(one: Inhabitant, server: DirectoryServer) -> None:
    for start in range(0, 4000, 500):
        await asyncio.gather(
            *(come_in_time(one, f"user-{number}", f"s{number}") for number in range(start, start + 500))
        )
    await until(lambda: not one.node.telling.under_way)
    server.kill()
    await away(one)
    await asyncio.to_thread(server.start)  # the nodes go on meanwhile
    await until(lambda: one.node.link.up)
    await until(lambda: server.command("DBSIZE") == b":8003\r\n")  # two a session; and era, nodes, lease
    await back(one)
    assert one.metrics.count("claims_confirmed", "confirmed") >= 4000
    assert not one.voided
