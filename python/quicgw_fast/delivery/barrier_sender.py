"""The sender of a gateway whose messages are written down elsewhere before their clients get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from quicgw_fast.delivery.sender import OrderedSender
from quicgw_fast.ports import Recipient

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend.engine import PushToAll
    from quicgw_fast.delivery.barrier import Barrier
    from quicgw_fast.observe import Metrics

R = TypeVar("R", bound=Recipient)


class BarrierSender(OrderedSender[R], Generic[R]):
    """Between numbering and handing over there is a barrier.

    To the steps that number, every connection is one that has no room: what they commit stays in the outbox, where it
    is retained anyway, and goes out by ``pump`` as far as it is safe.
    """

    def __init__(
        self,
        metrics: Metrics,
        on_overflow: Callable[[R], None],
        make_room: Callable[[int], bool],
        push_to_all: PushToAll,
        barrier: Barrier[R],
    ) -> None:
        """As for ``OrderedSender``."""
        super().__init__(metrics, on_overflow, make_room, push_to_all, barrier.changed)
        self.barrier: Barrier[R] = barrier

    def hold(self, to: R, body: bytes, ticket: int = 0, instead_of: int = 0) -> None:
        """As for ``OrderedSender``."""
        self.barrier.changed(to)
        super().hold(to, body, ticket, instead_of)

    def takes(self, to: R) -> bool:
        """As for ``OrderedSender``; what is not written yet is under way."""
        link = self.barrier.link_of(to)
        caught_up = to.cursor >= self.barrier.safe(to)
        return link is not None and caught_up and link.ready() and to.outbox.fill < 1.0

    def pump(self, to: R) -> None:
        """As for ``OrderedSender``, of what is safe."""
        self._hand_over(to, self.barrier.link_of(to), self.barrier.safe(to))
        self._release_waiting(to)
