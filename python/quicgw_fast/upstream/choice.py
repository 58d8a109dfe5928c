"""Which instance of a service gets a call: the less loaded of two.

Of the instances with the best prospects two are looked at, and the one with fewer calls under way is taken: the power
of two choices (Mitzenmacher 2001). With it the longest line of calls grows with the logarithm of the logarithm of the
number of instances, where a line chosen blindly grows with the logarithm; and an instance that is slow, for whatever
reason, gets as many calls as it answers, where plain turns give it as many as the others, and their callers wait.

The first of the two is the one whose turn it is, the second is drawn from the others, and where both have as many, the
first is taken. So equally loaded instances take turns, which spreads a few calls more evenly than chance does; and two
gateways that look at the same instances do not run after each other, as they would if both took the least loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.upstream.errors import AtLimit, NoInstance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance


class Choice:
    """Chooses among the members of the directory; what it knows of each is in the instance."""

    def __init__(self, directory: Directory, random: Random) -> None:
        self._directory = directory
        self._random = random.random
        self._turn: dict[str, int] = {}

    def pick(self, service: str, besides: Instance | None = None) -> Instance:
        """Return the instance for the next call; not ``besides``, which could not be reached.

        Those of which nothing bad is known come first, then those that only just lost their connection or have not
        answered for a moment, then those that do worse than others, and at last all that may be called at all. Raises
        NoInstance when there is none, and AtLimit when those that are well have no room.
        """
        members = self._directory.members(service)
        count = len(members)
        if not count:
            raise NoInstance(service)
        turn = self._turn.get(service, 0) % count
        first, second = members[turn], members[(turn + 1 + int(self._random() * (count - 1))) % count]
        if first.preferred and second.preferred and besides is None:
            chosen = second if second.in_flight < first.in_flight else first
            if chosen.in_flight < chosen.room:
                self._turn[service] = turn + 1
                return chosen
        return self._look_at_all(service, [*members[turn:], *members[:turn]], turn, besides)

    def _look_at_all(self, service: str, in_turn: Sequence[Instance], turn: int, besides: Instance | None) -> Instance:
        """Do the same where not everybody is well, or has room."""
        best = _best(service, [instance for instance in in_turn if instance is not besides])
        first, second = best[0], best[int(self._random() * len(best))]
        self._turn[service] = turn + 1 + in_turn.index(first)
        return second if second.in_flight < first.in_flight else first


def _best(service: str, instances: Sequence[Instance]) -> list[Instance]:
    """Those with the best prospects that have room, in the order in which they came; raises as ``pick`` does."""
    well = [instance for instance in instances if instance.preferred]
    nearly = [instance for instance in instances if instance.serving and instance.ejection is None]
    if best := _with_room(well) or _with_room(nearly):
        return best
    if well or nearly:
        # Those that are left would most likely fail; to come back is better.
        raise AtLimit(service, min(instance.latency for instance in well or nearly))
    worse = [instance for instance in instances if instance.serving]
    best = _with_room(worse) or _with_room([instance for instance in instances if instance.callable])
    if not best:
        raise NoInstance(service)
    return best


def _with_room(instances: Sequence[Instance]) -> list[Instance]:
    return [instance for instance in instances if instance.in_flight < instance.room]
