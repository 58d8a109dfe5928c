"""What a successor has its predecessor give, and what it says where that cannot be; over a real socket between them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.backend.errors import BudgetFull
from quicgw_fast.cluster.peering import NodeAccess, NodeClient, NodeServer
from quicgw_fast.placement import HERE, PlaceTrouble
from quicgw_fast.proto import node_pb2 as pb
from quicgw_fast.session import UnreadableSession
from quicgw_fast.upgrading.inheriting import Inheriting
from quicgw_fast.upgrading.neighbours import Neighbours
from quicgw_fast.upgrading.placement import NextOfKin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from quicgw_fast.placement import Place

BEFORE = "process-1"


class Predecessor:
    """Has a session of each openid in ``openids``, and answers nothing else."""

    def __init__(self, openids: set[str]) -> None:
        self.openids = openids
        self.leaving = False
        self.looked = 0
        self.confirmed: list[str] = []

    async def fetch(self, request: pb.FetchRequest) -> pb.FetchResponse:
        sessions = [request.openid.encode()] if request.openid in self.openids else []
        return pb.FetchResponse(sessions=sessions)

    async def confirm(self, request: pb.ConfirmRequest) -> pb.ConfirmResponse:
        self.confirmed.append(request.openid)
        return pb.ConfirmResponse()

    async def has(self, request: pb.HasRequest) -> pb.HasResponse:
        self.looked += 1
        return pb.HasResponse(here=request.target_id in self.openids, leaving=self.leaving)


class Heir:
    """The parts of a successor that ask its predecessor; ``refuses`` is raised, once, by what arrives of an openid."""

    def __init__(self, folder: Path) -> None:
        self.predecessor = Predecessor({"alice", "bobby"})
        self.neighbours = Neighbours(before=BEFORE)
        self.client = NodeClient("process-2", NodeAccess(), self._address_of)
        self.inheriting = Inheriting(self.neighbours, self.client, self._arrive)
        self.placement = NextOfKin(self.neighbours, self.client, self.inheriting)
        self.arrived: list[str] = []
        self.refuses: dict[str, Exception] = {}
        self._folder = folder

    async def __aenter__(self) -> Heir:
        desk: Any = self.predecessor
        self.server = await NodeServer.start_on(self._folder / BEFORE, desk, NodeAccess())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.inheriting.stop()
        await self.client.close()
        await self.server.stop()

    async def _address_of(self, node: str) -> str:
        return f"unix:{self._folder / node}"

    def _arrive(self, sessions: Sequence[bytes]) -> None:
        openids = [session.decode("latin-1")[-5:] for session in sessions]
        if openids[0] in self.refuses:
            raise self.refuses.pop(openids[0])
        self.arrived += openids

    async def claim(self, openid: str) -> Place:
        answer = self.placement.claim(openid, "")
        return await answer if isinstance(answer, asyncio.Future) else answer

    async def find(self, openid: str) -> Place:
        answer = self.placement.find("openid", openid)
        return await answer if isinstance(answer, asyncio.Future) else answer


@pytest.fixture
async def heir(tmp_path: Path) -> AsyncIterator[Heir]:
    async with Heir(tmp_path) as heir:
        yield heir


async def test_a_session_comes_once_and_is_confirmed(heir: Heir) -> None:
    first, second = await asyncio.gather(heir.claim("alice"), heir.claim("alice"))
    assert first is second is HERE
    assert await heir.claim("alice") is HERE
    assert heir.arrived == ["alice"]
    assert heir.predecessor.confirmed == ["alice"]
    assert await heir.claim("nobody") is HERE
    assert heir.predecessor.confirmed == ["alice"], "there was nothing to confirm"


@pytest.mark.parametrize(
    ("refuses", "told"),
    [(BudgetFull(1), "there is no memory"), (UnreadableSession("field 99 is new"), "field 99 is new")],
)
async def test_one_that_cannot_be_taken_now_stays_where_it_is(heir: Heir, refuses: Exception, told: str) -> None:
    heir.refuses["alice"] = refuses
    place = await heir.claim("alice")
    assert (place.here, place.trouble, place.retry_after > 0) == (False, PlaceTrouble.NODE_UNREACHABLE, True)
    assert told in place.detail
    assert not heir.predecessor.confirmed, "it would forget what nobody has"
    assert await heir.claim("alice") is HERE
    assert heir.predecessor.confirmed == ["alice"]


async def test_a_predecessor_that_does_not_answer_is_waited_for(heir: Heir) -> None:
    await heir.server.stop()
    for place in (await heir.claim("alice"), await heir.find("alice")):
        assert (place.here, place.trouble, place.nodes) == (False, PlaceTrouble.NODE_UNREACHABLE, (BEFORE,))
    heir.neighbours.before = ""  # it has ended
    assert await heir.claim("alice") is HERE
    assert await heir.find("alice") is HERE


async def test_what_it_names_is_taken_though_nobody_comes_for_it(heir: Heir, caplog: pytest.LogCaptureFixture) -> None:
    heir.refuses["alice"] = UnreadableSession("field 99 is new")
    heir.inheriting.take_all(["alice", "bobby", "carol"])
    async with asyncio.timeout(10):
        while heir.predecessor.confirmed != ["bobby"] or not heir.inheriting.had("carol"):
            await asyncio.sleep(0.01)  # nobody waits for what is named, so nobody is told
    assert heir.arrived == ["bobby"]
    (line,) = [record for record in caplog.records if record.getMessage() == "session not inherited"]
    assert (line.__dict__["openid"], "field 99 is new" in line.__dict__["reason"]) == ("alice", True)


async def test_who_is_on_the_way_is_looked_for_again(heir: Heir) -> None:
    assert (await heir.find("alice")).trouble is PlaceTrouble.ELSEWHERE
    assert await heir.find("nobody") is HERE
    heir.predecessor.leaving, heir.predecessor.looked = True, 0
    place = await heir.find("alice")
    assert (place.trouble, heir.predecessor.looked) == (PlaceTrouble.NODE_UNREACHABLE, 3)
    assert "on its way" in place.detail


async def test_whoever_has_a_successor_sends_on_to_it(heir: Heir) -> None:
    heir.neighbours.before, heir.neighbours.behind = "", "process-3"
    place = await heir.find("alice")
    assert (place.trouble, place.nodes) == (PlaceTrouble.ELSEWHERE, ("process-3",))
    assert heir.predecessor.looked == 0
