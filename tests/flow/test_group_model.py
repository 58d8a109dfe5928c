"""Groups against a model that remembers nothing but what happened: any joins, leaves, times, drops, resumes and ends.

Whatever comes in whatever order, each member gets each push to its groups once, all in one order, and the count that
the sender is told is that of the model.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quicgw_fast import backend
from quicgw_fast.flow import to_many
from tests.flow.grouping import join, leave, members, push_to
from tests.flow.house import House, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flow.house import Client

NAMES, GROUPS = ("a", "b", "c"), ("g", "h")
RESUME_WINDOW = 6.0

name, group = st.sampled_from(NAMES), st.sampled_from(GROUPS)
to = st.one_of(group, st.just(""))
"""A group, or everybody."""
steps = st.one_of(
    st.tuples(st.just("join"), name, group, st.sampled_from([0.0, 0.0, 1.0, 4.0])),
    st.tuples(st.just("leave"), name, group),
    st.tuples(st.just("push"), st.lists(to, min_size=1, max_size=3)),
    st.tuples(st.just("pass_time"), st.sampled_from([0.5, 1.0, 3.0])),
    st.tuples(st.just("lose"), name),
    st.tuples(st.just("come_back"), name),
    st.tuples(st.just("log_in"), name),
    st.tuples(st.just("stop"), name),
    st.tuples(st.just("ack"), name),
)


@dataclass
class Member:
    """What is known of one client and its session."""

    client: Client
    logged_in: bool = False
    groups: dict[str, float] = field(default_factory=dict)
    """Until when it is in each."""
    owed: list[str] = field(default_factory=list)
    """What it has to get in all, in order."""
    have: list[str] = field(default_factory=list)
    looked: int = 0
    """Messages of its connection that were looked at."""
    gone_at: float | None = None


class Model:
    """Does each step twice: with the gateway, and on paper."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.there: dict[str, Member] = {}
        self.pushed = 0

    @property
    def now(self) -> float:
        return self.house.clock.now

    async def do(self, step: tuple[object, ...]) -> None:
        await getattr(self, str(step[0]))(*step[1:])
        for member in self.there.values():
            self.look(member)
        for name in GROUPS:
            assert sorted(await members(self.house, name)) == [who for who, _ in self.members(name)]

    def look(self, member: Member) -> None:
        """What came over its connection is what it was owed next."""
        new = member.client.numbered[member.looked :]
        member.looked += len(new)
        for push in new:
            assert push.seq_id <= len(member.have) + 1, "there is a hole"
            if push.seq_id == len(member.have) + 1:
                member.have.append(text_of(push))
            assert member.have[push.seq_id - 1] == text_of(push)
        assert member.have == member.owed[: len(member.have)]
        if member.gone_at is None and member.logged_in:
            assert member.have == member.owed

    def members(self, group: str) -> list[tuple[str, Member]]:
        there = sorted(self.there.items())
        return [(who, member) for who, member in there if member.groups.get(group, 0.0) > self.now]

    # Steps

    async def join(self, who: str, group: str, ttl: float) -> None:
        told = await join(self.house, who, group, ttl)
        assert told.success == (who in self.there)
        if told.success:
            self.there[who].groups[group] = self.now + ttl if ttl else float("inf")

    async def leave(self, who: str, group: str) -> None:
        was = who in dict(self.members(group))
        told = await leave(self.house, who, group)
        assert (told.success, told.sessions) == (who in self.there, int(was))
        if was:
            del self.there[who].groups[group]

    async def push(self, targets: list[str]) -> None:
        """All at once: their order is that in which they were asked for."""
        contents = [f"p{self.pushed + number}" for number in range(len(targets))]
        self.pushed += len(targets)
        calls = [
            push_to(self.house, group, content) if group else self.house.broadcast(content)
            for group, content in zip(targets, contents, strict=True)
        ]
        answers = await asyncio.gather(*calls)
        for group, content, answer in zip(targets, contents, answers, strict=True):
            everybody = [member for member in self.there.values() if member.logged_in]
            reached = [member for _, member in self.members(group)] if group else everybody
            assert answer.sent_count == len(reached)
            for member in reached:
                member.owed.append(content)

    async def pass_time(self, seconds: float) -> None:
        await self.house.pass_time(seconds)
        for who, member in list(self.there.items()):
            if member.gone_at is not None and self.now - member.gone_at > RESUME_WINDOW:
                del self.there[who]

    async def lose(self, who: str) -> None:
        member = self.there.get(who)
        if member is not None and member.gone_at is None:
            self.look(member)
            member.client.link.lose()
            member.gone_at = self.now

    async def come_back(self, who: str) -> None:
        member = self.there.get(who)
        if member is None:
            self.there[who] = Member(self.house.started(who))
            return
        had = member.client.answer
        member.client = client = self.house.connect()
        member.looked, member.gone_at = 0, None
        answer = client.start(who, len(member.have), had.connection_id, had.epoch)
        assert answer.resumed
        client.seq = answer.max_client_seq

    async def log_in(self, who: str) -> None:
        member = self.there.get(who)
        if member is None or member.logged_in or member.gone_at is not None:
            return
        member.client.call("hello")
        await self.house.settle()
        member.logged_in = True
        member.owed.insert(0, "200 ")  # what was kept goes out behind it

    async def stop(self, who: str) -> None:
        member = self.there.get(who)
        if member is not None and member.gone_at is None:
            member.client.stop()
            del self.there[who]

    async def ack(self, who: str) -> None:
        member = self.there.get(who)
        if member is not None and member.gone_at is None and member.have:
            member.client.ack(len(member.have))


@pytest.fixture(autouse=True)
def _others_have_their_turn_between_any_two() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(to_many, "SLICE", 1)
        yield


@pytest.mark.parametrize("maker", ["rust", "python"])
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(doing=st.lists(steps, min_size=10, max_size=60))
def test_each_member_gets_each_push_once_and_in_one_order(maker: str, doing: list[tuple[object, ...]]) -> None:
    async def run() -> None:
        async with House(backend.load(maker), session={"resume_window": RESUME_WINDOW}) as house:
            model = Model(house)
            for who in NAMES:
                await model.come_back(who)
            for step in doing:
                await model.do(step)
            for who in list(model.there):
                if model.there[who].gone_at is not None:
                    await model.do(("come_back", who))
                await model.do(("log_in", who))
            assert all(member.have == member.owed for member in model.there.values())
            accounts = house.accounts()["notifies"]
            assert accounts["accepted"] == accounts["delivered"] + accounts["lost"] + accounts["open"]

    asyncio.run(run())
