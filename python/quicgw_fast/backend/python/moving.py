"""How an outbox leaves a process, and goes on in another one."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final, NoReturn

from quicgw_fast.backend.errors import OutboxClosed
from quicgw_fast.backend.outbox_state import BoundState, HeldState, OutboxState
from quicgw_fast.backend.python import checks, wire
from quicgw_fast.backend.python.budget import cost
from quicgw_fast.backend.python.notify import BoundNotify
from quicgw_fast.backend.python.reading import Reading
from quicgw_fast.backend.python.window import Kind
from quicgw_fast.backend.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS: Final = {kind.value: kind for kind in Kind}


class Moving(Reading):
    """What an outbox has, all of it and at once."""

    __slots__ = ()

    def export(self, after: int = 0) -> OutboxState:
        """Return all that there is, of messages those above a number, for restore(). OutboxClosed after close()."""
        skip = min(max(checks.u64(after), self.acked_seq), self.last_seq) - self.acked_seq
        if self._closed:
            raise OutboxClosed
        window = self._line.window
        return OutboxState(
            acked=self.acked_seq,
            max_client_seq=self.max_client_seq,
            kinds=bytes(kind.value for kind in islice(window.all_kinds, skip, None)),
            frames=b"".join(frame for frame, _ in window.after(skip)),
            open=sorted(self._open),
            bound=[BoundState(*waiting) for waiting in self._binds._all()],
            held=list(map(HeldState, self._held.bodies, self._held.tickets)),
            fates=self._tickets.untold,
            releasing=self._releasing,
            overflowed=self._overflowed,
            dropped=self._dropped,
            tally=self.tally,
        )

    def restore(self, state: OutboxState) -> None:
        """Become what export() returned elsewhere. What is kept may be beyond the bounds here; nothing is dropped.

        ValueError for a state that no outbox can be in, and where this one has done anything yet. BudgetFull where
        the reserve of the budget has no room for all of it.
        """
        if self._closed:
            raise OutboxClosed
        state = _typed(state)
        if not self._untouched():
            _impossible("an outbox that has done something cannot become another one")
        frames = _frames(state)
        _check(state)
        kept = [*frames, *(each.body for each in state.bound), *(each.body for each in state.held)]
        self._line.share.take(cost(len(kept), sum(map(len, kept))), reserve=True)
        # From here on nothing can fail.
        self._line.numbers._become(state.acked + len(state.kinds), state.acked, state.max_client_seq)
        self._line.window.become(frames, [_KINDS[kind] for kind in state.kinds])
        for client_seq, before, body, expires_at, ticket in state.bound:
            self._binds._bind(client_seq, before, BoundNotify(body, expires_at, ticket))
            self._tickets.add(ticket)
        for body, ticket in state.held:
            self._held.add(body, ticket)
            self._tickets.add(ticket)
        self._tickets.untold = state.fates
        self._open = set(state.open)
        self._releasing, self._overflowed, self._dropped = state.releasing, state.overflowed, state.dropped
        tally = state.tally
        self._accepted = tally.responses_accepted, tally.notifies_accepted
        self._delivered = tally.responses_delivered, tally.notifies_delivered
        self._lost = tally.responses_lost, tally.notifies_lost
        self._saved = tally.notifies_saved

    def _untouched(self) -> bool:
        fresh = OutboxState(acked=self.acked_seq)
        return self.export() == fresh


def _impossible(why: str) -> NoReturn:
    raise ValueError(why)


def _typed(state: OutboxState) -> OutboxState:
    """Return it as what it has to be; TypeError and OverflowError as everywhere."""
    return OutboxState(
        acked=checks.u64(state.acked),
        max_client_seq=checks.u64(state.max_client_seq),
        kinds=checks.octets(state.kinds),
        frames=checks.octets(state.frames),
        open=[checks.u64(seq) for seq in state.open],
        bound=[
            BoundState(
                checks.u64(each.client_seq),
                checks.flag(each.before),
                checks.octets(each.body),
                checks.seconds(each.expires_at),
                checks.u64(each.ticket),
            )
            for each in state.bound
        ],
        held=[HeldState(checks.octets(each.body), checks.u64(each.ticket)) for each in state.held],
        fates=[(checks.u64(ticket), checks.u64(number)) for ticket, number in state.fates],
        releasing=checks.flag(state.releasing),
        overflowed=checks.flag(state.overflowed),
        dropped=(checks.u64(state.dropped[0]), checks.u64(state.dropped[1])),
        tally=Tally(*map(checks.u64, state.tally)),
    )


def _check(state: OutboxState) -> None:
    """Raise ValueError for what contradicts itself."""
    if max(state.kinds, default=0) > max(_KINDS):
        _impossible("a message has a kind that there is not")
    if state.acked + len(state.kinds) > checks.U64_MAX:
        _impossible("the numbers go beyond the last one there is")
    highest = state.max_client_seq
    if any(not 0 < seq <= highest for seq in state.open) or any(one >= next_ for one, next_ in pairwise(state.open)):
        _impossible("the requests without a reply are not in order, or were not accepted")
    if state.overflowed and (state.bound or state.held):
        _impossible("something waits in an outbox that overflowed")
    if state.releasing and not state.held:
        _impossible("nothing is held that could be released")


def _frames(state: OutboxState) -> list[bytes]:
    """Return its frames one by one, each with its number; ValueError where they are not that."""
    frames = list(_cut(state.frames))
    if len(frames) != (0 if state.overflowed else len(state.kinds)):
        _impossible("the frames are not those of the numbers")
    for seq, (frame, kind) in enumerate(zip(frames, state.kinds, strict=False), state.acked + 1):
        if not wire.has_number(frame, seq, bare=kind != Kind.RESPONSE.value):
            _impossible("a frame does not have its number")
    return frames


def _cut(joined: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(joined):
        end = at + 4 + int.from_bytes(joined[at : at + 4], "big")
        if end > len(joined):
            _impossible("the frames are not those of the numbers")
        yield joined[at:end]
        at = end
