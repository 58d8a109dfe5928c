"""Two houses, the way between them, and a life that moves from the one to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from quicgw_fast.codes import CloseCode
from tests.flow.lives import Lives

if TYPE_CHECKING:
    from quicgw_fast.flow.elsewhere import HandedReply
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest, UnicastPushResponse
    from quicgw_fast.session import RequestElsewhere, Session
    from tests.flow.house import Client, House
    from tests.flow.oracle import Life


class Street:
    """What each house knows of the others: it finds the one that has a session by asking."""

    def __init__(self) -> None:
        self.houses: list[House] = []
        self.holds_back = False
        """Whether replies wait on their way, until ``deliver``."""
        self.on_the_way: list[HandedReply] = []
        self.undelivered: list[HandedReply] = []
        """Those whose session was nowhere."""

    def knows(self, target_type: str, target_id: str) -> bool:
        return False

    def hand_on(self, handed: HandedReply) -> None:
        self.on_the_way.append(handed)
        if not self.holds_back:
            self.deliver()

    def deliver(self) -> None:
        while self.on_the_way:
            handed = self.on_the_way.pop(0)
            if not any(house.path.moving.abroad.take(handed) for house in self.houses):
                self.undelivered.append(handed)

    async def push(self, request: UnicastPushRequest) -> UnicastPushResponse | None:
        for house in self.houses:
            registry = house.path.registry
            look = {"session": registry.by_id, "openid": registry.by_openid, "gid": registry.by_gid}
            if look[request.target_type](request.target_id) is not None:
                return await (await house.path.services.pushes.push(request)).settled()
        return None


def move(openid: str, here: House, there: House, generation: int) -> list[Session]:
    """As the gateways do it: fetched, arrived, confirmed."""
    states = here.path.moving.departures.depart(generation, openid=openid)
    arrived = there.path.moving.arrivals.arrive(states, "here")
    assert here.path.moving.departures.confirm(generation, [session.id for session in arrived])
    return arrived


class Movers(Lives):
    """One openid whose session may be at another gateway, of another engine, after each step."""

    def __init__(self) -> None:
        self.street = Street()
        super().__init__()
        self.other = self.make_house("python" if self.maker == "rust" else "rust", beside=self.house)
        self.run(self.other.__aenter__)
        self.ended_there: list[Life] = []
        """The sessions that ended at the other house, which alone remembers them."""
        self.generation = 0

    def make_house(self, maker: str, **options: Any) -> House:
        house = super().make_house(maker, elsewhere=self.street, **options)
        self.street.houses.append(house)
        return house

    def houses(self) -> list[House]:
        return [self.house, self.other]

    @precondition(lambda self: self.life)
    @rule(asked_again=st.booleans())
    def go_elsewhere(self, asked_again: bool) -> None:
        """The session moves, whatever is under way for it."""
        self.expire()
        if self.life is None:
            return
        client, departures = self.client, self.house.path.moving.departures
        self.generation += 1
        states = self.run(lambda: departures.depart(self.generation, openid="alice"))
        assert len(states) == 1
        if asked_again:  # the answer was lost, and perhaps it is another one that asks
            self.generation += self.generation % 2
            assert self.run(lambda: departures.depart(self.generation, openid="alice")) == states
        if client is not None:
            assert client.ended is CloseCode.SUPERSEDED
        self.detach()
        (arrived,) = self.run(lambda: self.other.path.moving.arrivals.arrive(states, self.name_of(self.house)))
        assert departures.confirm(self.generation, [arrived.id])
        self.house, self.other = self.other, self.house
        self.ended, self.ended_there = self.ended_there, self.ended

    def name_of(self, house: House) -> str:
        return f"house {self.street.houses.index(house)}"

    @precondition(lambda self: self.life and self.waits_for_the_other())
    @rule()
    def the_other_house_is_lost(self) -> None:
        """Nobody knows what becomes of what runs there; should it answer later, it comes too late."""
        lost = self.waits_for_the_other()
        self.run(lambda: self.house.path.moving.abroad.gateway_lost(self.name_of(self.other)))
        for request in lost:
            if self.life is not None and request.client_seq == self.alive.login:
                self.login_ends(request.client_seq, "error 500")
            else:
                self.reply(request.client_seq, "error 500")

    def waits_for_the_other(self) -> list[RequestElsewhere]:
        session = self.house.path.registry.by_openid("alice")
        name = self.name_of(self.other)
        return [each for each in session.elsewhere.values() if each.gateway == name] if session is not None else []

    def login_ends(self, seq: int, text: str) -> None:
        if seq == self.alive.login:
            super().login_ends(seq, text)
        else:  # it was given up
            self.reply(seq, text)

    def reply(self, seq: int, text: str) -> bool:
        """As for a life that stays, but an answer may come for what was given up as unknown."""
        return super().reply(seq, text) if seq in self.alive.open else False

    def pass_time(self, seconds: float) -> None:
        super().pass_time(seconds)
        self.run(lambda: self.other.pass_time(0.0))

    @invariant()
    def nothing_is_left_behind(self) -> None:
        assert self.other.path.registry.by_openid("alice") is None
        assert self.other.budget.used == 0
        accounts = self.other.accounts()
        assert (accounts["responses"]["open"], accounts["notifies"]["open"]) == (0, 0)


class Pair:
    """Two houses of the same settings, and what lies between them."""

    def __init__(self, street: Street, here: House, there: House) -> None:
        self.street, self.here, self.there = street, here, there
        self.generation = 0

    def move(self, openid: str = "alice") -> None:
        """From here to there."""
        self.generation += 1
        move(openid, self.here, self.there, self.generation)

    def come_after(self, client: Client, last_acked: int, **claim: str) -> Client:
        """The client comes to the other house, as it does after the move."""
        again = self.there.connect()
        claim = claim or {"session_id": client.answer.connection_id, "epoch": client.answer.epoch}
        assert again.start("alice", last_acked, **claim).resumed
        again.seq = client.seq
        return again
