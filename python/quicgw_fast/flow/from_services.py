"""What services ask for beside the requests that they are called for: pushes to one, to many, and who is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.flow.groups import Groups
from quicgw_fast.flow.presence import Presence
from quicgw_fast.flow.pushes import Pushes

if TYPE_CHECKING:
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import Config
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.draining import DrainState
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.targets import Targets
    from quicgw_fast.flow.to_many import ToMany
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate, PushFacts, PushRefusal
    from quicgw_fast.session import Registry, Session


class FromServices(NamedTuple):
    """Who answers them."""

    pushes: Pushes
    groups: Groups
    presence: Presence


def from_services(
    clock: Clock,
    metrics: Metrics,
    draining: DrainState,
    targets: Targets,
    registry: Registry,
    sender: OrderedSender[Session],
    offline: Offline,
    gate: Gate[PushFacts, PushRefusal],
    many: ToMany,
    engine: Engine,
    elsewhere: Elsewhere,
    config: Config,
) -> FromServices:
    """Make all of them; broadcasts and pushes to groups go the same way, by ``many``."""
    way = sender, offline, gate, many, engine.encode_body, elsewhere, config.push
    pushes = Pushes(clock, metrics, draining, targets, registry, *way, config.session.bind_timeout)
    groups = Groups(clock, metrics, targets, registry.groups, many, engine.encode_body, config.push, sender.barrier)
    return FromServices(pushes, groups, Presence(clock, registry))
