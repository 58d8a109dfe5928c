"""What the legs know of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.flow.client import ConnectedClient

if TYPE_CHECKING:
    from tests.flow.house import House


async def test_a_conversation_has_all_that_the_legs_know_of_it(house: House) -> None:
    members = {name for name in (*vars(ConnectedClient), *ConnectedClient.__annotations__) if not name.startswith("_")}
    assert {"link", "attach", "close", "refused_tokens"} <= members
    known: ConnectedClient = house.started().conversation
    assert not [name for name in members if not hasattr(known, name)]


async def test_it_is_open_as_long_as_something_reaches_its_client(house: House) -> None:
    ignored, closed, lost = (house.started(openid).conversation for openid in ("alice", "bob", "carol"))
    assert ignored.open and closed.open and lost.open
    ignored.ignore()
    closed.link.close(0)
    lost.link.lose()  # type: ignore[attr-defined]
    assert not (ignored.open or closed.open or lost.open)
