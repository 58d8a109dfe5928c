"""What is written of a session while it lives: from any record on it is the session that it was then."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from quicgw_fast.proto import session_pb2 as pb
from quicgw_fast.session import Heard, Replica, Session, SessionState, next_record, read, revive, unpack
from quicgw_fast.session.replica import MOST_LATER, SMALLEST
from tests.session.making import answer, notify

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from quicgw_fast.session import ArrivedSession, Parcel

NOW = 1000.0


def heard_nothing(session: Session, behind: int) -> Heard:
    return Heard((), NOW)


class Writer:
    """Writes a session down as the directory has it."""

    def __init__(self, engine: ModuleType, **outbox: Any) -> None:
        self.engine = engine
        self.session = Session("5" * 32, "alice", "e" * 16, engine.Outbox(**outbox), NOW, state=SessionState.NORMAL)
        self.replica = self.session.replica = Replica()
        self.data = b""
        self.wholes = 0

    def write(self) -> None:
        record = next_record(self.session, self.replica, NOW, heard_nothing)
        self.data = record.data if record.whole else self.data + record.data
        self.wholes += record.whole
        self.replica.wrote(record)
        assert self.replica.size == len(self.data)
        assert self.replica.safe == record.last == self.session.outbox.last_seq

    def accept(self, seq: int) -> None:
        assert self.session.outbox.accept(seq) == 0
        self.replica.msg_ids[seq] = 1000 + seq

    def revived(self) -> ArrivedSession:
        state = read(revive(pb.SessionReplica.FromString(self.data)))
        return unpack(state, "dead", self.engine.Outbox(), _no_parcel, NOW)

    def check(self) -> None:
        """What goes on is what there was when it was written last."""
        arrived = self.revived().session
        was, now = self.session.outbox.export(), arrived.outbox.export()
        assert now == was
        assert {seq: each.msg_id for seq, each in arrived.elsewhere.items()} == {seq: 1000 + seq for seq in was.open}
        assert all(each.lost for each in arrived.elsewhere.values())
        assert (arrived.state, arrived.handed) == (self.session.state, self.session.outbox.last_seq)


def _reply(writer: Writer, rng: random.Random) -> None:
    open_ = writer.session.outbox.export().open
    if open_:
        answer(writer.session, rng.choice(open_))


def _push(writer: Writer, rng: random.Random) -> None:
    if not writer.session.outbox.releasing:
        writer.session.outbox.push(notify(writer.engine), rng.random() < 0.2)


def _ack(writer: Writer, rng: random.Random) -> None:
    """Also of what was not sent yet, as a client may say anything."""
    outbox = writer.session.outbox
    outbox.ack(rng.randint(outbox.acked_seq, outbox.last_seq))


def _bind(writer: Writer, rng: random.Random) -> None:
    outbox = writer.session.outbox
    outbox.bind(outbox.max_client_seq + 1, rng.random() < 0.5, notify(writer.engine), NOW + 60.0)


def _hold(writer: Writer, _: random.Random) -> None:
    if writer.session.outbox.held < 9:
        writer.session.outbox.hold(notify(writer.engine))


STEPS: Final[list[Callable[[Writer, random.Random], object]]] = [
    _reply,
    _push,
    _ack,
    _bind,
    _hold,
    lambda writer, _: writer.accept(writer.session.outbox.max_client_seq + 1),
    lambda writer, _: writer.session.outbox.release(),
    lambda writer, _: writer.session.outbox.refuse(7, 400, "no", "", {}),
    lambda writer, rng: setattr(writer.session, "gid", rng.choice("ab")),
]


def _no_parcel(ends_at: float, key: str) -> Parcel:
    raise AssertionError("nothing here has a term")


@pytest.mark.parametrize("seed", range(6))
def test_from_any_record_the_session_goes_on_as_it_was(engine: ModuleType, seed: int) -> None:
    rng, writer = random.Random(seed), Writer(engine, after=seed * 7)
    for _ in range(300):
        for _ in range(rng.randint(0, 3)):
            rng.choice(STEPS)(writer, rng)
        writer.write()
        writer.check()
    assert writer.wholes < 150


def test_an_overflow_is_written_like_anything_else(engine: ModuleType) -> None:
    writer = Writer(engine, window_messages=4)
    writer.accept(1)
    for _ in range(4):
        writer.session.outbox.push(notify(engine))
    writer.write()
    writer.session.outbox.mark_overflow()
    writer.write()
    writer.check()
    assert writer.revived().session.outbox.overflowed


def test_a_replica_is_bounded(engine: ModuleType) -> None:
    """Twice what the session has, and a little: what was acknowledged long ago is not there for ever."""
    writer = Writer(engine)
    outbox = writer.session.outbox
    for size in (10, 5000):
        largest = 0
        for _ in range(3 * MOST_LATER):
            outbox.push(notify(engine, b"x" * size))
            outbox.ack(outbox.last_seq - 1)
            writer.write()
            largest = max(largest, len(writer.data))
        assert largest <= 2 * writer.replica.whole_size + SMALLEST + 2 * size + 400
    writer.check()


def test_what_an_offline_store_gave_out_is_in_the_record_of_its_message(engine: ModuleType) -> None:
    writer = Writer(engine)
    writer.write()
    for stored_id in (1000, 1001):
        writer.session.outbox.push(notify(engine), True)
        writer.session.catch_up.sent(writer.session.outbox.last_seq, stored_id)
        writer.write()
    assert writer.wholes == 1
    writer.check()
    assert writer.revived().session.catch_up == writer.session.catch_up


def test_what_was_not_written_is_in_the_next_record(engine: ModuleType) -> None:
    writer = Writer(engine)
    writer.write()
    writer.session.outbox.push(notify(engine))
    next_record(writer.session, writer.replica, NOW, heard_nothing)  # nobody knows what became of it
    writer.session.outbox.push(notify(engine))
    writer.write()
    writer.check()
    writer.session.gid = "other"
    next_record(writer.session, writer.replica, NOW, heard_nothing)
    writer.write()
    assert writer.revived().session.gid == "other"


def test_a_replica_that_contradicts_itself_is_no_session(engine: ModuleType) -> None:
    writer = Writer(engine)
    writer.write()
    writer.session.outbox.push(notify(engine))
    record = next_record(writer.session, writer.replica, NOW, heard_nothing)
    with pytest.raises(ValueError, match="twice"):
        revive(pb.SessionReplica.FromString(writer.data + record.data + record.data))
