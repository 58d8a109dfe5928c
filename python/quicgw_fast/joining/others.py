"""The other nodes, asked one by one or all together; who does not answer is named to whoever asked, and in the log."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from quicgw_fast.cluster.peers import PeerUnreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

T = TypeVar("T")

_log = logging.getLogger("quicgw.cluster")


class AnswersOfAll(NamedTuple, Generic[T]):
    """What all were asked."""

    answers: dict[str, T]
    """By node."""
    unreached: list[str]
    """Nodes that did not answer."""


class Others:
    """Those that are known now."""

    def __init__(self, names: Callable[[], Collection[str]]) -> None:
        self._names = names
        self._silent: set[str] = set()
        """Of whom the log has it that they do not answer: a node that ends is asked a few times more."""

    def names(self) -> list[str]:
        """Sorted: pages of what all of them have are in this order."""
        return sorted(self._names())

    async def ask(self, node: str, call: Awaitable[T]) -> T | None:
        """Return what a node answers, None where it does not."""
        try:
            answer = await call
        except PeerUnreachable as error:
            if node not in self._silent:
                self._silent = {node, *self._silent.intersection(self._names())}
                _log.warning("node not reached", extra={"node": node, "reason": str(error)})
            return None
        self._silent.discard(node)
        return answer

    async def all(self, ask: Callable[[str], Awaitable[T]], nodes: Sequence[str] | None = None) -> AnswersOfAll[T]:
        """Ask each of them at the same time, or each of ``nodes``."""
        names = self.names() if nodes is None else nodes
        answers = await asyncio.gather(*(self.ask(node, ask(node)) for node in names))
        told = dict(zip(names, answers, strict=True))
        there = {node: answer for node, answer in told.items() if answer is not None}
        return AnswersOfAll(there, [node for node in names if node not in there])
