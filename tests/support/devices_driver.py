"""Does one thing after the other to all devices of an openid, over real QUIC and gRPC, and compares with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.session import DevicePolicy
from tests.support import wire
from tests.support.session_model import OpenidModel, SessionModel
from tests.support.world import assert_closed

if TYPE_CHECKING:
    import random

    from tests.support.raw_client import RawClient
    from tests.support.world import World

OPENID = "alice"


class DevicesDriver:
    """Every method is one step; it ends when its effect is in the sessions, and compares what each client has got."""

    def __init__(self, world: World, policy: str | int, window: int, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.model = OpenidModel(policy, window)
        self.clients: dict[str, RawClient] = {}
        """Those that are attached, by the id of their session."""
        self.seen: set[str] = set()
        """What has happened, for who looks whether everything did."""
        self._have: dict[str, int] = {}
        """By session id, the number that its client came with."""
        self._count = 0

    # ---- coming

    async def come_fresh(self) -> None:
        """Another device, or the same one without its memory."""
        await self.start(0, "", "")

    async def come_back(self) -> None:
        """A device for its session, attached or not, perhaps with a number that cannot be resumed from."""
        if not self.model.sessions:
            return
        session = self.chance.choice(self.model.sessions)
        number = self.chance.choice([session.acked, session.last, session.last, session.last + 1])
        epoch = self.chance.choice([session.epoch, session.epoch, ""])
        await self.start(number, session.session_id, epoch)

    async def come_back_late(self) -> None:
        """A device whose session ended."""
        if self.model.ended:
            session_id = self.chance.choice(list(self.model.ended))
            await self.start(3, session_id, self.model.ended[session_id])

    async def come_by_number(self) -> None:
        """An old client."""
        numbers = [session.last for session in self.model.sessions if session.last] or [1]
        await self.start(self.chance.choice(numbers), "", "")

    async def start(self, number: int, session_id: str, epoch: str) -> None:
        """Connect and START; the model says what comes of it."""
        expected = self.model.starts(number, session_id, epoch)
        client = await self.world.connect()
        answer = await client.start(OPENID, "", number, session_id, epoch)
        told = (number, session_id, epoch, self.model.policy)
        assert answer.success is not expected.refused, told
        if expected.refused:
            assert answer.error.error_code == 403
            await assert_closed(client, CloseCode.ALREADY_ONLINE)
            self.seen.add("refused")
        elif expected.resumed is not None:
            assert answer.resumed, (told, pb.ResetReason.Name(answer.reset_reason))
            assert answer.connection_id == expected.resumed.session_id
            await self._superseded(expected.resumed)
            expected.resumed.acknowledge(number)
            self.seen.add("resumed")
            await self._attached(client, expected.resumed, number)
        else:
            assert answer.reset_reason in expected.reasons, (told, pb.ResetReason.Name(answer.reset_reason))
            for gone in expected.gone:
                self.seen.add("superseded" if gone.session_id in self.clients else "replaced")
                await self._superseded(gone)
                self.model.end(gone)
            session = SessionModel(answer.connection_id, answer.epoch, self.model.window, number)
            await self._attached(client, session, number)
            await self._log_in(client, session)

    async def _superseded(self, session: SessionModel) -> None:
        before = self.clients.pop(session.session_id, None)
        if before is not None:
            await assert_closed(before, CloseCode.SUPERSEDED)

    async def _attached(self, client: RawClient, session: SessionModel, number: int) -> None:
        self.model.attach(session)
        self.clients[session.session_id] = client
        client.next_seq = session.max_client + 1
        self._have[session.session_id] = number
        await self._compare()

    async def _log_in(self, client: RawClient, session: SessionModel) -> None:
        session.accept(client.next_seq, b"")
        session.reply(client.next_seq)
        session.log_in()
        await client.hello()
        await self._compare()

    # ---- what happens meanwhile

    async def push(self) -> None:
        """Push to all."""
        data = self._data("all")
        refusals = self.model.push(data)
        took = sum(not error for error in refusals.values())
        answer = await self.world.pusher.push(OPENID, data=data)
        assert (answer.success, answer.sessions) == (took > 0, took), (answer, refusals)
        if not took:
            assert answer.error_code in (refusals.values() or {"TARGET_NOT_FOUND"})
        self.seen.add(f"pushed to {took}" if len(set(refusals.values())) < 2 else "refused by some")
        await self._compare()

    async def push_to_one(self) -> None:
        """Push to one session."""
        if self.model.sessions:
            session = self.chance.choice(self.model.sessions)
            data = self._data("one")
            error = session.push(data)
            answer = await self.world.pusher.push(session.session_id, by="session", data=data)
            assert (answer.error_code, answer.sessions) == (error, 0 if error else 1)
            await self._compare()

    async def broadcast(self) -> None:
        """Push to everybody; one without room would overflow, which is not what this is about."""
        if all(session.has_room(1, reserve=False) for session in self.model.sessions):
            data = self._data("broadcast")
            expected = sum(session.broadcast(data) for session in self.model.sessions)
            assert (await self.world.pusher.broadcast(data)).sent_count == expected
            await self._compare()

    async def acknowledge(self) -> None:
        """One acknowledges what it has."""
        if self.clients:
            session_id, client = self.chance.choice(list(self.clients.items()))
            session = self.model.find(session_id)
            client.ack(session.last)
            session.acknowledge(session.last)
            await self._compare()

    # ---- going

    async def drop(self) -> None:
        """One loses its connection."""
        if self.clients:
            session_id = self.chance.choice(list(self.clients))
            client = self.clients.pop(session_id)
            client.abandon()
            await client.bury()
            self.model.attached.discard(session_id)
            session: Any = self.world.gateway._path.registry.by_id(session_id)
            await wire.until(lambda: not session.attached, what="the gateway noticing the drop")

    async def stop(self) -> None:
        """One logs out."""
        if self.clients:
            session_id = self.chance.choice(list(self.clients))
            client = self.clients.pop(session_id)
            client.stop()
            await assert_closed(client, CloseCode.NORMAL)
            self.model.end(self.model.find(session_id))

    async def kick(self) -> None:
        """An operator ends one of them, or all."""
        kicks, gone = self.world.gateway._path.kicks, list(self.model.sessions)
        if gone and self.chance.random() < 0.5:
            gone = [self.chance.choice(gone)]
            assert kicks.kick(session_id=gone[0].session_id) == 1
        else:
            assert kicks.kick(openid=OPENID) == len(gone)
        for session in gone:
            client = self.clients.pop(session.session_id, None)
            if client is not None:
                await assert_closed(client, CloseCode.KICKED)
            self.model.end(session)

    async def change_policy(self) -> None:
        """Another policy for those who come from now on."""
        self.model.policy = self.chance.choice(["newest", "refuse", 1, 2, 3])
        self.world.gateway._path.registry.devices.policy = DevicePolicy.of(self.model.policy)

    # ---- comparing

    def _data(self, word: str) -> bytes:
        self._count += 1
        return f"{word} {self._count}".encode()

    async def _compare(self) -> None:
        """Hold what each connection has got against its session."""
        live = self.world.gateway._path.registry.devices.of(OPENID)
        assert [session.id for session in live] == [model.session_id for model in self.model.sessions]
        for session_id, client in self.clients.items():
            await client.reply(client.heartbeat())
            sent = self.model.find(session_id).sent.items()
            expected = [(number, data) for number, data in sent if number > self._have[session_id]]
            got = [(push.seq_id, wire.business(push).data) for push in client.numbered]
            assert got == expected, f"got {got}\nexpected {expected}"
