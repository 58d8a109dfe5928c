"""What stands between a number and the connection, put together: nothing for a gateway that is alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.delivery import BarrierSender, OrderedSender
from quicgw_fast.flow.fence import Fence
from quicgw_fast.flow.replication import Replication

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend.engine import PushToAll
    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import ReplicaKeeper
    from quicgw_fast.session import HeardOf, Registry, Session


class Fences(NamedTuple):
    """Who says whether something may be sent."""

    fence: Fence
    replication: Replication | None
    """There where it has to be written down first."""

    def make_sender(
        self,
        metrics: Metrics,
        on_overflow: Callable[[Session], None],
        make_room: Callable[[int], bool],
        push_to_all: PushToAll,
    ) -> OrderedSender[Session]:
        """Make the sender that asks them."""
        about = metrics, on_overflow, make_room, push_to_all
        if self.replication is None:
            return OrderedSender(*about, self.fence.link_of)
        return BarrierSender(*about, self.replication)

    def tend(self, now: float) -> None:
        """Do what passes with time."""
        self.fence.tend(now)
        if self.replication is not None:
            self.replication.tend(now)


def make_fences(
    clock: Clock,
    metrics: Metrics,
    may_act: Callable[[str], bool] | None,
    replicas: ReplicaKeeper | None,
    registry: Registry,
    pump: Callable[[Session], None],
    heard_of: HeardOf,
) -> Fences:
    """Build them; ``pump`` sends what was retained, as far as it may be. ``heard_of`` says what sessions had of what
    was for many.
    """
    fence = Fence(may_act, pump)
    if replicas is None:
        return Fences(fence, None)
    return Fences(fence, Replication(clock, metrics, replicas, registry, fence.link_of, pump, heard_of))
