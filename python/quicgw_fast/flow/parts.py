"""The parts of a running gateway that the flow of messages goes through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quicgw_fast.flow.accounts import Accounts
from quicgw_fast.flow.journal import Journal
from quicgw_fast.flow.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.auth import Authenticator
    from quicgw_fast.backend import ByteBudget
    from quicgw_fast.config import Config
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.conversation import Conversation
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.requests import Requests
    from quicgw_fast.observe import Counters
    from quicgw_fast.overload import AttemptLimiter
    from quicgw_fast.processor import AsyncRequestProcessor, Timer
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from quicgw_fast.session import Registry, Session
    from quicgw_fast.store import OfflineStore


@dataclass(slots=True)
class Parts:
    """Made once by ``Gateway``; everything that handles a message gets it."""

    config: Config
    engine: Any
    """The module of the engine's maker (``backend.load``)."""
    clock: Callable[[], float]
    """Monotonic seconds, the event loop's."""
    call_later: Callable[[float, Callable[[], None]], Timer]
    """The event loop's: call after so many of the clock's seconds."""
    wall: Callable[[], float]
    """Seconds since 1970, for tokens and the offline store only."""
    counters: Counters
    registry: Registry
    sender: OrderedSender[Session]
    authenticator: Authenticator
    attempts: AttemptLimiter
    route: Callable[[str, str], str]
    """Action and openid to the name of a service."""
    call: Callable[[str, UpstreamRequest, float], Awaitable[UpstreamResponse]]
    store: OfflineStore | None
    budget: ByteBudget
    """The memory that the outboxes of all sessions share."""
    processor: AsyncRequestProcessor = field(init=False)
    requests: Requests = field(init=False)
    offline: Offline = field(init=False)
    memory: Memory = field(init=False)
    accounts: Accounts = field(default_factory=Accounts)
    conversations: set[Conversation] = field(default_factory=set)
    watched: set[Conversation] = field(default_factory=set)
    """Those of them that wait for something in time: for START, or for the rest of a message."""
    journal: Journal = field(default_factory=Journal)
    draining: bool = False

    def __post_init__(self) -> None:
        """Give the memory's keeper the parts that it makes room in."""
        self.memory = Memory(self)
