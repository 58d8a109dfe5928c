"""Messages that have begun and do not arrive: each connection may have some, all together have a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.carrier import MAX_BODY
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support.wire import frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]

LIMIT = 4 << 20


def begin(client: Client, size: int) -> None:
    """Send so many bytes of a message that has more."""
    client.raw(MAX_BODY.to_bytes(4, "big") + bytes(size - 4))


def arriving(house: House) -> tuple[int, int]:
    """Of all, and of the one with most."""
    return house.stats("buffered")["used"]["arriving"], house.stats("buffered")["most"]["arriving"]


async def test_what_has_begun_is_counted_until_it_is_there(house: House) -> None:
    alice, bob = await house.online("alice"), await house.online("bob")
    begin(alice, 1000)
    request = pb.BusinessRequest(action="echo", data=b"x" * 900).SerializeToString()
    whole = pb.ClientRequest(type=pb.REQUEST_BUSINESS, msg_id=1002, seq_id=2, payload=request)
    message = frame(whole.SerializeToString())
    bob.raw(message[:500])
    assert arriving(house) == (1500, 1000)
    bob.raw(message[500:])
    await house.settle()
    assert bob.texts == ["200 " + "x" * 900]
    assert arriving(house) == (1000, 1000)
    alice.link.lose()
    await house.settle()
    assert arriving(house) == (0, 0)


async def test_those_with_most_of_it_go_and_nobody_else(make_house: MakeHouse) -> None:
    house = await make_house(limits={"arriving_memory": LIMIT})
    small = [await house.online(f"small{number}") for number in range(4)]
    for client in small:
        begin(client, 1000)
    large = [await house.online(f"large{number}") for number in range(8)]
    for client in large:
        begin(client, 900_000)
        assert arriving(house)[0] <= LIMIT
    assert [client.ended for client in small] == [None] * 4
    closed = [client for client in large if client.ended is not None]
    assert {client.ended for client in closed} == {CloseCode.OVERLOADED}
    assert len(closed) == house.count("arriving_given_up") >= 3
    # What still comes from who has to go is taken no more.
    closed[0].raw(bytes(100_000))
    left = arriving(house)[0]
    await house.settle()
    assert arriving(house)[0] == left


async def test_a_message_that_comes_whole_is_never_counted(make_house: MakeHouse) -> None:
    house = await make_house(limits={"arriving_memory": LIMIT})
    hogs = [await house.online(f"hog{number}") for number in range(4)]
    for hog in hogs:
        begin(hog, 1_000_000)
    client = await house.online("alice")
    seq = client.call("echo", b"x" * 900_000)
    await house.settle()
    assert len(client.replies(seq)) == 1
    assert house.count("arriving_given_up") == 0
