"""The offline store that all nodes share: messages wait in the directory, and come wherever their openid logs in.

It has a connection of its own. What waits there is large against what claims are made of, and neither is to wait for
the other; nor is a server that refuses a message to be lost for the claims.

An openid may come to another node between the moment in which it was found nowhere and that in which its message is
put: its login may have read before. Its claim was written down before that read, so the step that puts sees it, and
names the node, which is told to look again (``tell``).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.store_scripts import DELETE, LOAD, PUT, SWEEP
from quicgw_fast.codes import StoreCode
from quicgw_fast.store.base import (
    NO_TERMS,
    RECORD_COST,
    PutResult,
    Stored,
    StoreFailed,
    StoreStats,
    Terms,
    crowded,
    exhausted,
    over,
    refusal_of,
    with_terms,
)
from quicgw_fast.store.unwritten import MAX_BACKLOG, MAX_HANDED_OVER, Unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quicgw_fast.cluster.keys import Keys
    from quicgw_fast.cluster.link import DirectoryLink
    from quicgw_fast.cluster.scripts import AtomicScript
    from quicgw_fast.config import OfflineConfig

SWEEP_STEP: Final = 20
"""Openids that one step of a sweep looks at: what it removes of them it reads, and others wait meanwhile."""
PAINTED: Final = 200
"""Openids whose share of the sums one sweep checks."""
SPARE: Final = 3600.0
"""Seconds for which the server keeps messages beyond ``max_age``, where no gateway is left that would remove them."""
_MAX_ID: Final = (1 << 53) - 1
_CLOSED: Final = "the offline store is closed"


class DirectoryStore:
    """Messages in the directory, from ``start`` to ``close``."""

    def __init__(
        self,
        link: DirectoryLink,
        keys: Keys,
        node: str,
        settings: OfflineConfig,
        tell: Callable[[str, str], None],
        *,
        max_backlog: int = MAX_BACKLOG,
    ) -> None:
        """``link`` is for this store alone, which starts and closes it. ``tell`` is given the name of another node and
        the openid that is there by now, after something was stored for it; ``node`` is this one's name.
        """
        self._link = link
        self._keys = keys
        self._node = node
        self._settings = settings
        self._tell = tell
        self._backlog, self._handed_over = Unwritten(max_backlog), Unwritten(MAX_HANDED_OVER)
        self._stats = StoreStats()
        self._asked: set[asyncio.Future[Any]] = set()
        """What was begun and is not answered."""
        self._closed = False

    async def start(self) -> None:
        """Connect; raises DirectoryUnusable, with what to do, where that fails."""
        await self._link.start()

    async def put(self, openid: str, body: bytes, wall: float, terms: Terms = NO_TERMS) -> PutResult:
        """Keep ``body`` for ``openid``, or refuse it. Where the directory was lost meanwhile it may be stored all the
        same: nobody knows, and the sender is told STORE_FAILED.
        """
        begun = self._begin(openid, [(bytes(body), terms)], wall, self._backlog, "messages wait for the directory")
        (result,) = await asyncio.shield(begun)
        return result

    def put_all(
        self, openid: str, bodies: Sequence[bytes], wall: float, terms: Sequence[Terms] = ()
    ) -> asyncio.Future[list[PutResult]]:
        """Keep these in their order, or refuse them, in one step."""
        kept = with_terms([bytes(body) for body in bodies], terms)
        return self._begin(openid, kept, wall, self._handed_over, "ended sessions wait for the directory")

    async def load(self, openid: str, wall: float) -> list[Stored]:
        """Return what waits for ``openid``, oldest first. Raises StoreFailed."""
        gone, waiting = await self._answer(LOAD, openid, openid, repr(wall), repr(self._settings.max_age))
        self._stats = self._stats.plus(expired=gone)
        found = sorted(map(_stored, waiting[::2], waiting[1::2]), key=lambda message: message.id)
        return [message for message in found if not over(self._settings, message, wall)]

    async def delete(self, openid: str, ids: Iterable[int]) -> int:
        """Forget these messages of ``openid``; return how many there were. Raises StoreFailed."""
        known = [number for number in ids if 0 < number <= _MAX_ID]
        told = await self._answer(DELETE, openid, openid, repr(self._settings.max_age), *known)
        gone = int(told[0])
        self._stats = self._stats.plus(deleted=gone)
        return gone

    async def sweep(self, wall: float) -> int:
        """Remove every message over its age; return how many. Raises StoreFailed.

        Goes in steps that let others in between. Whichever node comes first removes them, and for the others nothing is
        left.
        """
        total, paint = 0, PAINTED
        while True:
            asked = self._keys.waiting, repr(wall), repr(self._settings.max_age), SWEEP_STEP, paint
            due, gone = await self._answer(SWEEP, None, *asked)
            self._stats = self._stats.plus(expired=gone)
            total, paint = total + int(gone), 0
            if due < SWEEP_STEP:
                return total

    def stats(self) -> StoreStats:
        """Return what this node did, and what there was, of all nodes, when the directory last answered."""
        return self._stats

    async def close(self) -> None:
        """Wait for what was begun, and disconnect."""
        self._closed = True
        if self._asked:
            await asyncio.wait(set(self._asked))
        await self._link.close()

    # Putting

    def _begin(
        self, openid: str, messages: Sequence[tuple[bytes, Terms]], wall: float, backlog: Unwritten, what: str
    ) -> asyncio.Future[list[PutResult]]:
        told: asyncio.Future[list[PutResult]] = asyncio.get_running_loop().create_future()
        refusals = [refusal_of(self._settings, openid, body) for body, _ in messages]
        fitting = [message for message, refusal in zip(messages, refusals, strict=True) if refusal is None]
        size = sum(len(body) + RECORD_COST for body, _ in fitting)
        if self._closed:
            refusals = [PutResult(0, StoreCode.CLOSED, _CLOSED) for _ in messages]
        elif not backlog.takes(size):
            refusals = [PutResult(0, StoreCode.BUSY, f"{backlog.size} bytes of {what}") for _ in messages]
        elif fitting:
            records = [_record(body, terms, wall) for body, terms in fitting]
            answer = self._ask(PUT, openid, *self._bounds(openid, wall), *records, claims=True)
            backlog.add(size, answer)
            answer.add_done_callback(partial(self._put, openid, told, refusals, [body for body, _ in fitting]))
            return told
        self._settle(told, refusals)
        return told

    def _bounds(self, openid: str, wall: float) -> tuple[str | int, ...]:
        """All that a put goes by but for the messages."""
        bounds = self._settings
        kept = 1000 * (bounds.max_age + SPARE)
        most = bounds.max_messages, bounds.max_bytes, bounds.max_total_bytes
        about = self._keys.waiting, openid, repr(wall), repr(bounds.max_age)
        return *about, *most, SWEEP_STEP, int(kept), self._keys.lease, self._node

    def _put(
        self,
        openid: str,
        told: asyncio.Future[list[PutResult]],
        refusals: list[PutResult | None],
        bodies: list[bytes],
        answer: asyncio.Future[Any],
    ) -> None:
        try:
            gone, superseded, nodes, results = self._learn(answer)
        except StoreFailed as error:
            failed = PutResult(0, StoreCode.FAILED, str(error))
            self._settle(told, [refusal or failed for refusal in refusals])
            return
        self._stats = self._stats.plus(expired=gone, superseded=superseded)
        decided = iter([self._result(openid, body, *each) for body, each in zip(bodies, results, strict=True)])
        self._settle(told, [refusal or next(decided) for refusal in refusals])
        for node in nodes:
            self._tell(node.decode(), openid)

    def _result(
        self, openid: str, body: bytes, number: int, replaced: int, messages: int, size: int, total: int
    ) -> PutResult:
        if number:
            return PutResult(number, replaced=replaced)
        refusal = crowded(self._settings, body, messages, size) or exhausted(self._settings, openid, body, total)
        assert refusal is not None  # the step goes by the same rule
        return refusal

    def _settle(self, told: asyncio.Future[list[PutResult]], results: Sequence[PutResult | None]) -> None:
        given = [result for result in results if result is not None]
        stored = sum(result.stored for result in given)
        self._stats = self._stats.plus(stored=stored, refused=len(given) - stored)
        if not told.done():  # else who asked was cancelled
            told.set_result(given)

    # Asking

    def _ask(
        self, script: AtomicScript, openid: str | None, *arguments: str | bytes | int, claims: bool = False
    ) -> asyncio.Future[object]:
        keys = [self._keys.offline, self._keys.offline_ends]
        if openid is not None:
            openid.encode()  # a ValueError for what no key can hold (lone surrogates) is to be the caller's
            keys.append(self._keys.waiting + openid)
        if claims:
            keys.append(f"{self._keys.at}{openid}")
        answer = self._link.ask(script, keys, *arguments)
        self._asked.add(answer)
        answer.add_done_callback(self._asked.discard)
        return answer

    async def _answer(self, script: AtomicScript, openid: str | None, *arguments: str | bytes | int) -> list[Any]:
        """Ask, and return what a step has beyond the sums; raises StoreFailed."""
        if self._closed:
            raise StoreFailed(_CLOSED)
        answer = self._ask(script, openid, *arguments)
        await asyncio.wait([answer])
        return self._learn(answer)

    def _learn(self, answer: asyncio.Future[Any]) -> list[Any]:
        """Take over the sums of an answer, and return the rest; raises StoreFailed where there is none."""
        try:
            told = answer.result()
        except DirectoryUnavailable as error:
            raise StoreFailed(f"the directory cannot be asked ({error})") from error
        if isinstance(told, bytes):
            raise StoreFailed(f"the directory refuses to write ({told.decode()})")
        rest: list[Any]
        messages, size, *rest = told
        self._stats = replace(self._stats, messages=messages, bytes=size)
        return rest


def _record(body: bytes, terms: Terms, wall: float) -> bytes:
    """A message as the steps read it (``store_scripts``)."""
    key = terms.key.encode()
    return f"{wall!r} {terms.expires_at!r} {len(key)} ".encode() + key + body


def _stored(number: bytes, record: bytes) -> Stored:
    at, expires_at, length, rest = record.split(b" ", 3)
    size = int(length)
    return Stored(int(number), rest[size:], float(at), float(expires_at), rest[:size].decode())
