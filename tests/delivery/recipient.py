"""Who gets ordered messages, for the tests: an outbox, a sender, and a link that remembers what was sent on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import PushType
from quicgw_fast.delivery import OrderedSender
from quicgw_fast.observe import Metrics
from quicgw_fast.ports import TerminalReply
from quicgw_fast.proto import client_pb2 as pb
from tests.support.wire import Splitter

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

HIGH_WATER = 100_000


def an_error(code: int, message: str, detail: str = "", **headers: str) -> Any:
    """What a client is an_error of an error; any code, as the sender looks at none."""
    return SimpleNamespace(code=code, message=message, detail=detail, headers=headers)


@dataclass
class Link:
    """Remembers what was sent; acknowledged only as far as the test says."""

    peer: str = "192.0.2.1:1"
    closed: bool = False
    pending: int = 0
    sent: bytearray = field(default_factory=bytearray)

    def ready(self) -> bool:
        return not self.closed and self.pending <= HIGH_WATER

    def send(self, data: bytes) -> None:
        assert data, "nothing was sent"
        self.sent += data
        self.pending += len(data)

    def close(self, code: int, reason: str = "") -> None:
        self.closed = True

    @property
    def pushes(self) -> list[pb.ServerPush]:
        splitter = Splitter()
        found = [pb.ServerPush.FromString(body) for body in splitter.feed(bytes(self.sent))]
        assert not splitter.partial
        return found

    @property
    def numbers(self) -> list[int]:
        return [push.seq_id for push in self.pushes]


@dataclass
class Client:
    """A recipient with its sender."""

    engine: ModuleType
    options: dict[str, Any] = field(default_factory=dict)
    after: int = 0
    link: Link | None = field(default_factory=Link)
    look_at: float = 60.0
    may_release: bool = True
    overflows: int = 0
    room: list[int] = field(default_factory=list)
    """What was asked for when the memory was full."""
    give: Callable[[], bool] = lambda: False
    """Makes room."""

    def __post_init__(self) -> None:
        self.outbox = self.engine.Outbox(after=self.after, **self.options)
        self.cursor = self.handed = self.after
        self.metrics = Metrics()
        self.sender: OrderedSender[Client] = OrderedSender(
            self.metrics, self._overflowed, self._make_room, self.engine.push_to_all, attrgetter("link")
        )

    def _make_room(self, needed: int) -> bool:
        self.room.append(needed)
        return self.give()

    def _overflowed(self, client: Client) -> None:
        assert client is self
        self.overflows += 1

    def body(self, size: int = 0, fill: bytes = b"x") -> bytes:
        made = self.engine.encode_body(PushType.BUSINESS_DATA, 200, "", fill * size, {})
        assert isinstance(made, bytes)
        return made

    def push(self, size: int = 0) -> None:
        self.sender.push(self, self.body(size))

    def reply(self, client_seq: int, data: bytes = b"") -> bool:
        return self.sender.reply(
            self, client_seq, 7, TerminalReply(PushType.BUSINESS_DATA, 200, "ok", data, {"h": "v"})
        )

    @property
    def there(self) -> Link:
        assert self.link is not None
        return self.link
