"""A placement whose answers wait for the test, as those of a directory far away would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.placement import HERE, UNCOUNTED, Place

if TYPE_CHECKING:
    from quicgw_fast.placement import Answer, Attempt


@dataclass(frozen=True, slots=True)
class Question:
    """One that waits for ``answer``."""

    openid: str
    future: asyncio.Future[Place]

    def answer(self, place: Place = HERE) -> None:
        self.future.set_result(place)


class SlowPlacement:
    """Asked by the flow, answered by the test; ``known`` openids are answered at once."""

    def __init__(self) -> None:
        self.claims: list[Question] = []
        self.finds: list[Question] = []
        self.known: dict[str, Place] = {}

    def claim(self, openid: str, session_id: str, attempt: Attempt = UNCOUNTED) -> Answer:
        return self._ask(self.claims, openid)

    def find(self, target_type: str, target_id: str) -> Answer:
        return self._ask(self.finds, target_id)

    def settled(self, openid: str, session_id: str, epoch: str, gid: str) -> None:
        """The test knows."""

    def released(self, openid: str, session_id: str) -> None:
        """The test knows."""

    def _ask(self, questions: list[Question], openid: str) -> Answer:
        if openid in self.known:
            return self.known[openid]
        questions.append(Question(openid, asyncio.get_running_loop().create_future()))
        return questions[-1].future


class NextTurn:
    """One gateway alone, too, but it answers in the loop's next turn: the slowest that says what ``here`` says."""

    def claim(self, openid: str, session_id: str, attempt: Attempt = UNCOUNTED) -> Answer:
        return self._answer()

    def find(self, target_type: str, target_id: str) -> Answer:
        return self._answer()

    def settled(self, openid: str, session_id: str, epoch: str, gid: str) -> None:
        """Nobody asks."""

    def released(self, openid: str, session_id: str) -> None:
        """Nobody asks."""

    def _answer(self) -> Answer:
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: future.cancelled() or future.set_result(HERE))
        return future
