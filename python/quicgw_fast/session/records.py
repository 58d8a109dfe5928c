"""The records of a session's replica: made of the session, and made a session again (``replica``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.proto import session_pb2 as pb
from quicgw_fast.session.packing import pack_outbox, state_of
from quicgw_fast.session.replica import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.session.heard import HeardOf
    from quicgw_fast.session.replica import Replica
    from quicgw_fast.session.session import Session


def next_record(session: Session, replica: Replica, now: float, heard_of: HeardOf) -> Record:
    """Make the next record of a session; nothing counts as written before ``Replica.wrote``.

    What is not of the outbox is merged into the whole, also by a later record; what went since costs nothing there.
    """
    beside = _beside(session)
    whole = replica.due or replica.grown or beside != replica.beside
    outbox = session.outbox.export(0 if whole else replica.safe)
    after = outbox.acked if whole else max(replica.safe, outbox.acked)
    message = pb.SessionReplica()
    if whole:
        replica.beside, replica.due = beside, True
        message.whole.MergeFrom(state_of(session, outbox, now))
        written = message.whole.outbox
    else:
        written = message.later.add()
        pack_outbox(outbox, session.parcels, now, written)
        if session.catch_up.unacknowledged:
            message.whole.stored.update(session.catch_up.unacknowledged)
            message.whole.stored_up_to = session.catch_up.sent_up_to
    heard = heard_of(session, 0 if whole else replica.heard)
    replica.heard = heard.number
    if whole or heard.ids:
        message.whole.heard.extend(heard.ids)
        message.whole.left_at = heard.at
    written.after = after
    if outbox.open or replica.msg_ids:
        replica.msg_ids = dict(_msg_ids(session, replica.msg_ids, outbox.open))
        written.open_msg_ids.extend(replica.msg_ids.values())
    return Record(message.SerializeToString(), whole, after + len(outbox.kinds))


def _msg_ids(session: Session, known: dict[int, int], open_: list[int]) -> Iterator[tuple[int, int]]:
    for seq in open_:
        yield seq, known[seq] if seq in known else session.elsewhere[seq].msg_id


def _beside(session: Session) -> tuple[object, ...]:
    groups = tuple(session.groups.items()) if session.groups else ()
    return session.state, session.gid, session.zone, session.expires_at, groups


def revive(replica: pb.SessionReplica) -> bytes:
    """Make of a replica the session that goes on, as ``pack`` would have; ValueError for what contradicts itself.

    Its requests without a reply are lost with their gateway. Of what is in it its client may have everything.
    """
    state = replica.whole
    frames, kinds, end = [state.outbox.frames], [state.outbox.kinds], state.outbox.after + len(state.outbox.kinds)
    for later in replica.later:
        if later.after > end:  # what is between was acknowledged before it was written
            frames, kinds = [], []
        elif later.after < end:
            raise ValueError(f"messages behind {later.after} are there twice")
        frames.append(later.frames)
        kinds.append(later.kinds)
        end = later.after + len(later.kinds)
    outbox = replica.later[-1] if replica.later else state.outbox
    kept = end - outbox.acked
    outbox.kinds = b"".join(kinds)[-kept:] if kept else b""
    outbox.frames = b"" if outbox.overflowed else _last(b"".join(frames), kept)
    lost = [
        pb.RequestElsewhere(client_seq=seq, msg_id=msg_id, lost=True)
        for seq, msg_id in zip(outbox.open, outbox.open_msg_ids, strict=True)
    ]
    outbox.ClearField("after")
    outbox.ClearField("open_msg_ids")
    if replica.later:
        state.outbox.CopyFrom(outbox)
    state.requests.extend(lost)
    state.handed = end
    return state.SerializeToString()


def _last(frames: bytes, count: int) -> bytes:
    """Of frames, one behind the other, the last ones."""
    starts, at = [], 0
    while at < len(frames):
        starts.append(at)
        at += 4 + int.from_bytes(frames[at : at + 4], "big")
    return frames[starts[-count] :] if 0 < count <= len(starts) else b""
