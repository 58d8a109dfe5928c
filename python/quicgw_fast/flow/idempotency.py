"""Pushes that come a second time under the same key are not sent a second time (protocol §4).

Of a key its target, a digest of its content and the answer are remembered, for a while and for so many keys: then the
oldest is forgotten. A push that is refused leaves nothing behind, so that the next try may succeed. While one is under
way its repetitions wait for its answer, also when its own caller went away: it is a task of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from quicgw_fast.codes import PushCode
from quicgw_fast.flow.targets import PushRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import PushConfig
    from quicgw_fast.observe import Counter
    from quicgw_fast.proto.service_pb2 import GroupPushRequest, UnicastPushRequest

T = TypeVar("T")
"""What a push came to."""

LONGEST_KEY = 128
"""Bytes of a key."""
_NOT_CONTENT = ("wait_ack_ms", "idempotency_key", "spread_id")
"""Fields that do not say what is sent."""


class KeyCounters(NamedTuple):
    """What is counted of the pushes of one kind."""

    repeated: Counter
    """Those that were answered as one before them was."""
    forgotten: Counter
    """Keys that were forgotten before their time."""


@dataclass(slots=True)
class _KnownKey(Generic[T]):
    content: bytes
    expires_at: float
    work: asyncio.Task[T] | None
    """While it is under way."""
    taken: T | None = None


class Idempotency(Generic[T]):
    """The keys that are known of one kind of pushes."""

    def __init__(
        self,
        clock: Clock,
        settings: PushConfig,
        success: Callable[[T], bool],
        counters: KeyCounters,
    ) -> None:
        """``success`` says whether a push was taken."""
        self._clock = clock
        self._success = success
        self._known: OrderedDict[bytes, _KnownKey[T]] = OrderedDict()
        """By a digest of target and key, the oldest first."""
        self._counters = counters
        self.reconfigure(settings)

    def reconfigure(self, settings: PushConfig) -> None:
        """Remember other numbers of keys, and those to come for another time."""
        self._settings = settings

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known)

    async def once(
        self,
        target: tuple[str, ...],
        request: UnicastPushRequest | GroupPushRequest,
        work: Callable[[], Coroutine[Any, Any, T]],
    ) -> T:
        """Return what ``work`` makes of the push, or made of the one that came first with its key for that target.

        Raises PushRefused for a key that cannot be used, or that another push has.
        """
        if len(request.idempotency_key.encode()) > LONGEST_KEY:
            raise PushRefused(PushCode.BAD_OPTIONS, f"idempotency_key may have {LONGEST_KEY} bytes")
        self._forget_old()
        name, content = _name((*target, request.idempotency_key)), _content(request)
        known = self._known.get(name)
        if known is None:
            known = _KnownKey(content, self._clock.now() + self._settings.idempotency_ttl, None)
            known.work = asyncio.create_task(self._work(name, known, work()), name="push")
            self._known[name] = known
            self._make_room()
        elif known.content != content:
            raise PushRefused(PushCode.IDEMPOTENCY_CONFLICT, "another push came with this key for this target")
        else:
            self._counters.repeated.value += 1
        if known.taken is not None:
            return known.taken
        assert known.work is not None  # either it is under way, or its answer is there
        return await asyncio.shield(known.work)

    async def _work(self, name: bytes, known: _KnownKey[T], work: Coroutine[Any, Any, T]) -> T:
        try:
            taken = await work
            if self._success(taken):
                known.taken = taken
            return taken
        finally:
            known.work = None
            if known.taken is None and self._known.get(name) is known:
                del self._known[name]

    def _forget_old(self) -> None:
        now = self._clock.now()
        while self._known:
            name, oldest = next(iter(self._known.items()))
            if oldest.expires_at > now or oldest.work is not None:
                return
            del self._known[name]

    def _make_room(self) -> None:
        """Forget the oldest beyond the bound; what is under way is bounded by the calls that there may be."""
        for name in list(self._known) if len(self._known) > self._settings.idempotency_keys else ():
            if len(self._known) <= self._settings.idempotency_keys:
                return
            if self._known[name].work is None:
                del self._known[name]
                self._counters.forgotten.value += 1


def _name(parts: tuple[str, ...]) -> bytes:
    return _digest("\0".join(f"{len(part)}:{part}" for part in parts).encode())


def _content(request: UnicastPushRequest | GroupPushRequest) -> bytes:
    copy = type(request)()
    copy.MergeFrom(request)  # type: ignore[arg-type]
    for field in _NOT_CONTENT:
        if field in copy.DESCRIPTOR.fields_by_name:
            copy.ClearField(field)  # type: ignore[arg-type]
    return _digest(copy.SerializeToString(deterministic=True))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
