"""What is refused while the process is short of memory, stage by stage (``memory_stages``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import CloseCode, ErrorCode
from quicgw_fast.overload.memory_stages import NAME, MemoryStage
from quicgw_fast.overload.rule import Close, Gauge, StartRefusal
from quicgw_fast.overload.spread import Spread, SpreadRefusals
from quicgw_fast.overload.turning_away import come_back

if TYPE_CHECKING:
    from quicgw_fast.backend import TokenBucket
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.facts import LargeSessionFacts, RequestFacts, StartFacts, TaskFacts
    from quicgw_fast.overload.memory_stages import MemoryStages
    from quicgw_fast.overload.rule import Refusal
    from quicgw_fast.ports import Arrival, ConnectionRefusal

SHORT: Final = "the memory of the process is short"


class _MemoryRule:
    """What the rules of all stages have in common."""

    name = NAME
    keys = ("limits.memory", "overload.memory_stages", "overload.memory_slack")
    gauge = Gauge("memory_used", bound="memory_limit")
    stage = MemoryStage.NO_CONNECTIONS
    """From which on it refuses."""

    def __init__(self, stages: MemoryStages) -> None:
        self._stages = stages
        self._spread = Spread()
        self._refusals = SpreadRefusals(ErrorCode.OVERLOADED, "overloaded", SHORT)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._stages.configure(bounds)

    @property
    def asleep(self) -> bool:
        """See ``Sleeping``: the rule is asked only from its stage on."""
        return self._stages.stage < self.stage

    def _refusal(self, now: float) -> Refusal:
        return self._refusals.after(self._stages.pause(now))

    def _turned_away(self, now: float) -> ConnectionRefusal:
        return come_back(SHORT, self._spread.over(self._stages.pause(now)))


class HandshakeWhenShort(_MemoryRule):
    """As with a full gateway, some handshakes are done to say why (``full``)."""

    def __init__(self, stages: MemoryStages, turning_away: TokenBucket) -> None:
        """``turning_away`` has a token for each handshake that is done only to close."""
        super().__init__(stages)
        self._turning_away = turning_away

    def judge(self, facts: Arrival, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        return self._turned_away(facts.now) if self._turning_away.take(facts.now) > 0 else None


class ConnectionWhenShort(_MemoryRule):
    """Those whose handshake is done are told why they must leave."""

    def judge(self, facts: Arrival, /) -> ConnectionRefusal:
        """See ``Rule``."""
        return self._turned_away(facts.now)


class StartWhenShort(_MemoryRule):
    """A session takes memory for as long as it lives."""

    stage = MemoryStage.NO_LOGINS

    def judge(self, facts: StartFacts, /) -> StartRefusal:
        """See ``Rule``."""
        after = self._spread.over(self._stages.pause(facts.now))
        return StartRefusal(ErrorCode.OVERLOADED, "overloaded", SHORT, retry_after=after)


class LoginWhenShort(_MemoryRule):
    """Behind a login come requests, and what was stored for the openid."""

    stage = MemoryStage.NO_LOGINS

    def judge(self, facts: TaskFacts, /) -> Refusal | None:
        """See ``Rule``."""
        return self._refusal(facts.now) if facts.is_login else None


class RequestWhenShort(_MemoryRule):
    """A request is in memory until its service answers, and the reply until it is acknowledged."""

    stage = MemoryStage.NO_REQUESTS

    def judge(self, facts: RequestFacts, /) -> Refusal:
        """See ``Rule``."""
        return self._refusal(facts.now)


class LargeSessionWhenShort(_MemoryRule):
    """The session stays and can be resumed; what its connection holds is given back."""

    stage = MemoryStage.CLOSE_SESSIONS

    def judge(self, facts: LargeSessionFacts, /) -> Close:
        """See ``Rule``."""
        after = self._spread.over(self._stages.pause(facts.now))
        return Close(CloseCode.OVERLOADED, f"{SHORT}, retry-after-ms {round(after * 1000)}")
