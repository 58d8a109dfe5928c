"""Pushes and replies on their way to another node, many in one call.

What is there when a call can begin goes with it, up to a bound. Two calls to one node are under way at most, so that
under load the calls grow instead of becoming more: most of what a call costs is the same for one push and for many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.proto.node_pb2 import CarryRequest, HandedReply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.proto.node_pb2 import CarryResponse
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest, UnicastPushResponse

UNDER_WAY: Final = 2
"""Calls to one node at once."""
MOST_ITEMS: Final = 512
"""In one call."""
MOST_BYTES: Final = 1 << 20
"""In one call, unless a single item is larger."""
MOST_WAITING: Final = 8192
"""Items for one node; of one more it is said at once that the node cannot be reached."""


class Carry(Protocol):
    """How a call is made."""

    async def __call__(self, node: str, request: CarryRequest) -> CarryResponse:
        """Make it; raises PeerUnreachable."""


class _Item(NamedTuple):
    message: UnicastPushRequest | HandedReply
    size: int
    answer: asyncio.Future[Any]


class Carrying:
    """What waits for each node, and the calls under way."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry
        self._nodes: dict[str, _NodeQueue] = {}

    def push(self, node: str, request: UnicastPushRequest) -> asyncio.Future[UnicastPushResponse]:
        """Send a push; the future has the answer of the node, or PeerUnreachable."""
        return self._put(node, request)

    def reply(self, node: str, reply: HandedReply) -> asyncio.Future[bool]:
        """Send a reply; the future says whether the session is there, or has PeerUnreachable."""
        return self._put(node, reply)

    async def stop(self) -> None:
        """Break off the calls under way, and fail what waits."""
        await asyncio.gather(*(queue.stop() for queue in list(self._nodes.values())))

    def _put(self, node: str, message: UnicastPushRequest | HandedReply) -> asyncio.Future[Any]:
        if node not in self._nodes:
            self._nodes[node] = _NodeQueue(node, self._carry, self._nodes.pop)
        return self._nodes[node].put(message)


class _NodeQueue:
    """There while anything waits for a node."""

    def __init__(self, node: str, carry: Carry, idle: Callable[[str], object]) -> None:
        self._node = node
        self._carry = carry
        self._idle = idle
        self._waiting: deque[_Item] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._soon: asyncio.Handle | None = None

    def put(self, message: UnicastPushRequest | HandedReply) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        item = _Item(message, message.ByteSize(), loop.create_future())
        if len(self._waiting) >= MOST_WAITING:
            told = f"{self._node}: {MOST_WAITING} messages wait for it already"
            item.answer.set_exception(PeerUnreachable(told, surely=True))
            return item.answer
        self._waiting.append(item)
        if self._soon is None and len(self._calls) < UNDER_WAY:
            self._soon = loop.call_soon(self._begin)  # with whatever else this turn of the loop brings
        return item.answer

    async def stop(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
        waiting, self._waiting = self._waiting, deque()  # first: a call that ends begins the next one
        _fail(waiting, PeerUnreachable(f"{self._node}: this node stops", surely=True))
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _begin(self) -> None:
        self._soon = None
        while self._waiting and len(self._calls) < UNDER_WAY:
            call = asyncio.create_task(self._call(self._take()))
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if self._waiting:
            self._begin()
        elif not self._calls and self._soon is None:
            self._idle(self._node)

    def _take(self) -> list[_Item]:
        taken = [self._waiting.popleft()]
        size = taken[0].size
        while self._waiting and len(taken) < MOST_ITEMS and size + self._waiting[0].size <= MOST_BYTES:
            taken.append(self._waiting.popleft())
            size += taken[-1].size
        return taken

    async def _call(self, items: list[_Item]) -> None:
        replies = [item for item in items if isinstance(item.message, HandedReply)]
        pushes = [item for item in items if not isinstance(item.message, HandedReply)]
        request = CarryRequest(
            pushes=[item.message for item in pushes],  # type: ignore[misc]  # told apart above
            replies=[item.message for item in replies],  # type: ignore[misc]
        )
        try:
            response = await self._carry(self._node, request)
            if (len(response.answers), len(response.taken)) != (len(pushes), len(replies)):
                raise PeerUnreachable(f"{self._node}: its answer does not fit the question", surely=False)
        except asyncio.CancelledError:
            _fail(items, PeerUnreachable(f"{self._node}: this node stops", surely=False))
            raise
        except PeerUnreachable as error:
            _fail(items, error)
        else:
            _answer(pushes, response.answers)
            _answer(replies, response.taken)


def _answer(items: Sequence[_Item], answers: Sequence[Any]) -> None:
    for item, answer in zip(items, answers, strict=True):
        if not item.answer.done():
            item.answer.set_result(answer)


def _fail(items: Sequence[_Item] | deque[_Item], error: PeerUnreachable) -> None:
    for item in items:
        if not item.answer.done():
            item.answer.set_exception(error)
