"""What must be true of one openid whatever happens to it: the oracle, beside the house that it judges."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis.stateful import (
    RuleBasedStateMachine,
)

from quicgw_fast import backend
from quicgw_fast.codes import CloseCode, ResetReason
from tests.flow.house import Client, House

if TYPE_CHECKING:
    from collections.abc import Callable


WINDOW = 8
RESERVE = WINDOW // 4
RESUME = 120.0
BIND = 60.0
HELD = min(64, WINDOW)
LONG = 86_400.0
WRONG = ("future", "forgotten", "epoch", "unknown")


@dataclass
class Life:
    """What the oracle knows of one session."""

    id: str
    epoch: str
    base: int
    """The number that its first message follows."""
    texts: list[str] = field(default_factory=list)
    """What it sent, by number: a reply's text, or the name of a notify."""
    acked: int = 0
    logged_in: bool = False
    overflowed: bool = False
    lost_responses: int = 0
    lost_notifies: int = 0
    last_request: int = 0
    open: set[int] = field(default_factory=set)
    bound: list[tuple[int, bool, str, float]] = field(default_factory=list)
    """Request, before, name, end of its time."""
    held: list[str] = field(default_factory=list)
    releasing: bool = False
    """The login let out what was held, and not all of it fitted."""
    login: int | None = None
    """The hello that is under way."""
    behind: list[int] = field(default_factory=list)
    """What waits for it."""
    detached_at: float | None = None
    ended_at: float | None = None

    @property
    def last(self) -> int:
        return self.base + len(self.texts)

    @property
    def retained(self) -> int:
        return 0 if self.overflowed else self.last - self.acked

    def fits(self, count: int, reserve: int = 0) -> bool:
        return self.retained == 0 or self.retained + count <= WINDOW + reserve

    def release(self) -> None:
        """As much as fits, one after the other; the rest keeps its place."""
        while self.held and self.fits(1, RESERVE):
            self.texts.append(self.held.pop(0))
        self.releasing = bool(self.held)

    def missed(self, number: int) -> list[str]:
        return self.texts[max(number, self.acked) - self.base :]

    @property
    def open_messages(self) -> tuple[int, int]:
        """Responses and notifies that are still to come."""
        notifies = sum(map(is_notify, self.missed(0)))
        responses = len(self.missed(0)) - notifies
        return responses + len(self.open), notifies + len(self.bound) + len(self.held)

    def gap(self, number: int, reason: ResetReason) -> dict[str, str]:
        missed = self.missed(number)
        waiting = len(self.held) + len(self.bound)
        notifies = sum(is_notify(text) for text in missed)
        values = {
            "from": number + 1,
            "to": self.last,
            "responses": len(missed) - notifies + self.lost_responses,
            "notifies": notifies + self.lost_notifies + waiting,
            "acknowledged": max(0, self.acked - number),
            "unnumbered": self.lost_responses + self.lost_notifies + waiting,
            "unanswered": len(self.open),
        }
        return {"gap-reason": reason.name, **{f"gap-{name}": str(value) for name, value in values.items()}}


def is_notify(text: str) -> bool:
    return text.startswith("n")


class Oracle(RuleBasedStateMachine):
    """The house, and what is known of the life in it; the steps that move both are in ``Lives``."""

    maker = "python"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.house = self.make_house(self.maker)
        self.house.upstream.held |= {"slow", "hello"}
        self.run(self.house.__aenter__)
        self.life: Life | None = None
        self.ended: list[Life] = []
        self.client: Client | None = None
        self.fenced: list[tuple[Client, int]] = []
        self.have = 0
        self.taken = 0
        self.names = 0

    def make_house(self, maker: str, **options: Any) -> House:
        return House(
            backend.load(maker),
            session={"window_messages": WINDOW, "timeout": LONG, "slow_consumer_after": LONG, "start_timeout": LONG},
            processor={"max_workers": 3, "task_timeout": LONG, "drain_timeout": 0.1},
            limits={"messages_per_second": 1e6, "message_burst": 100_000},
            **options,
        )

    def run(self, do: Callable[[], Any]) -> Any:
        """Do something in the event loop, and let everything happen that follows from it."""

        async def doing() -> Any:
            result = do()
            if inspect.isawaitable(result):
                result = await result
            await self.house.settle()
            return result

        return self.runner.run(doing())

    # The oracle's steps

    @property
    def alive(self) -> Life:
        assert self.life is not None
        return self.life

    @property
    def online(self) -> Client:
        assert self.client is not None
        return self.client

    def detach(self) -> None:
        if self.client is not None:
            self.fenced.append((self.client, len(self.client.link.sent)))
            self.client = None
            self.alive.detached_at = self.house.clock.now

    def end(self) -> None:
        self.detach()
        self.alive.ended_at = self.house.clock.now
        self.ended.append(self.alive)
        self.life = None

    def expire(self) -> None:
        life = self.life
        if life is not None and life.detached_at is not None and self.house.clock.now - life.detached_at > RESUME:
            self.end()

    def commit(self, texts: list[str]) -> bool:
        """A step that must not be refused: all of it, or an overflow."""
        life = self.alive
        if not texts:
            return not life.overflowed
        if not life.overflowed and life.fits(len(texts), RESERVE):
            life.texts += texts
            return True
        self.overflow(texts)
        return False

    def overflow(self, texts: list[str]) -> None:
        life = self.alive
        life.overflowed = True
        notifies = sum(is_notify(text) for text in texts)
        life.lost_notifies += notifies + len(life.bound) + len(life.held)
        life.lost_responses += len(texts) - notifies
        life.bound, life.held, life.releasing = [], [], False
        life.behind, life.login = [], None  # nobody can get a reply any more, so what is under way is given up
        if self.client is not None:
            closed = self.online
            self.detach()
            assert closed.ended is CloseCode.SLOW_CONSUMER

    def reply(self, seq: int, text: str) -> bool:
        life = self.alive
        life.open.remove(seq)
        before = [name for client_seq, first, name, _ in life.bound if client_seq == seq and first]
        after = [name for client_seq, first, name, _ in life.bound if client_seq == seq and not first]
        life.bound = [entry for entry in life.bound if entry[0] != seq]
        return self.commit([*before, text, *after])

    def dispatch(self, seq: int) -> None:
        if not self.alive.logged_in:
            self.reply(seq, "error 401")

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def judge(self, last_acked: int, session_id: str, epoch: str) -> tuple[ResetReason | None, dict[str, str]]:
        """The reset reason, None for a resume; and the report of the gap."""
        life, now = self.life, self.house.clock.now
        if last_acked == 0 and not session_id:
            return ResetReason.NONE, {}
        bare = {"gap-from": str(last_acked + 1)}
        if life is not None and session_id in ("", life.id):
            if epoch not in ("", life.epoch):
                return ResetReason.EPOCH, {"gap-reason": "EPOCH", **bare}
            if last_acked > life.last:
                return ResetReason.FUTURE_ACK, {"gap-reason": "FUTURE_ACK", **bare}
            if last_acked < life.acked:
                return ResetReason.NOT_RETAINED, life.gap(last_acked, ResetReason.NOT_RETAINED)
            if life.overflowed:
                return ResetReason.OVERFLOW, life.gap(last_acked, ResetReason.OVERFLOW)
            return None, {}
        remembered = [old for old in self.ended if old.ended_at is not None and now - old.ended_at <= RESUME]
        found = [old for old in remembered if session_id in ("", old.id)][-1:]
        if not found:
            return ResetReason.UNKNOWN_SESSION, {"gap-reason": "UNKNOWN_SESSION", **bare}
        if epoch not in ("", found[0].epoch) or last_acked > found[0].last:
            return ResetReason.EXPIRED, {"gap-reason": "EXPIRED", **bare}
        return ResetReason.EXPIRED, found[0].gap(last_acked, ResetReason.EXPIRED)
