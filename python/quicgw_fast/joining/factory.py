"""Where it is decided whether a gateway is alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.config import contradictions_of_cluster
from quicgw_fast.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import ClusterConfig, Config
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.flow.session_views import SessionViews
    from quicgw_fast.joining.desk import Register
    from quicgw_fast.joining.member import Member
    from quicgw_fast.observe import Metrics
    from quicgw_fast.workers import Seat


def join(
    config: Config,
    clock: Clock,
    metrics: Metrics,
    seat: Seat,
    path: Callable[[], Path],
    views: Callable[[], SessionViews],
    register: Register,
    drain: Callable[[], float] | None,
) -> Member | None:
    """Make the member of a cluster that ``[cluster]`` describes; None for a gateway that is alone.

    ``path``, ``views``, ``register`` and ``drain`` are as in ``Member``. Raises ConfigError for what cannot be used,
    also where the directory's client is not installed.
    """
    if config.cluster.url is None:
        return None
    for keys, why in contradictions_of_cluster(config):  # one that was not loaded has not been judged yet
        raise ConfigError(f"{', '.join('.'.join(key) for key in keys)}: {why}")
    with _needs_client():
        from quicgw_fast.joining.member import Member

    return Member(config, clock, metrics, seat, path, views, register, drain)


def try_joining(config: ClusterConfig) -> None:
    """Read what a member would read, and no more; raises ConfigError as ``join`` does."""
    if config.url is None:
        return
    with _needs_client():
        from quicgw_fast.joining.access import read_node_access

    read_node_access(config)


_needs_client = partial(needs_extra, "cluster", "[cluster]")
