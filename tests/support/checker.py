"""Judges what a client received: exactly once, in order, or one explicit reset (protocol §4, §5).

:class:`History` looks at every push as it comes; :func:`compare` holds the result against what the sender was
told. Neither knows a network: the chaos client feeds them, and tests of the checker itself feed them lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Mapping


class Entry(NamedTuple):
    """One numbered push that was new to the client."""

    seq: int
    msg_id: int
    kind: int
    payload: bytes
    headers: tuple[tuple[str, str], ...]

    @property
    def push_id(self) -> str:
        """The sender's id of a notify: its data."""
        return pb.BusinessResponse.FromString(self.payload).data.decode()


@dataclass
class Chapter:
    """What was received under one epoch, and how the epoch began."""

    session_id: str
    epoch: str
    after: int
    """The number below its first one."""
    reason: int
    headers: dict[str, str]
    entries: list[Entry] = field(default_factory=list)
    resumes: int = 0

    @property
    def is_reset(self) -> bool:
        """Whether it began with an explicit reset."""
        return self.reason != pb.RESET_REASON_NONE


class History:
    """Everything that one client (one openid) was given, over all its connections."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.chapters: list[Chapter] = []
        self.problems: list[str] = []
        self.last = 0
        self.replayed = 0
        self._next = 1
        self._resume_from = 0
        self._fresh = True
        self._replied: dict[int, int] = {}

    @property
    def current(self) -> Chapter | None:
        """The chapter that goes on, None before the first START was answered."""
        return self.chapters[-1] if self.chapters else None

    @property
    def resets(self) -> list[Chapter]:
        """The chapters that began with an explicit reset."""
        return [chapter for chapter in self.chapters if chapter.is_reset]

    @property
    def notifies(self) -> list[tuple[int, str]]:
        """Chapter index and push id of every notify, in order."""
        return [
            (index, entry.push_id)
            for index, chapter in enumerate(self.chapters)
            for entry in chapter.entries
            if entry.msg_id == 0 and entry.kind == pb.PUSH_BUSINESS_DATA
        ]

    def starting(self, resume_from: int, session_id: str) -> None:
        """A START goes out, asking for what follows ``resume_from``."""
        self._resume_from = resume_from
        self._fresh = resume_from == 0 and not session_id

    def started(self, response: pb.StartResponse, headers: Mapping[str, str]) -> None:
        """A START was answered with success."""
        current = self.current
        self._next = self._resume_from + 1
        if response.resumed:
            if current is None:
                self._problem("resumed, but there was nothing before")
            elif (response.connection_id, response.epoch) != (current.session_id, current.epoch):
                self._problem(f"resumed as {response.connection_id}/{response.epoch}, not as the session before")
            else:
                current.resumes += 1
            if response.replay_from != self._next:
                self._problem(f"replay_from {response.replay_from} after asking from {self._resume_from}")
            if response.reset_reason:
                self._problem(f"resumed and reset_reason {response.reset_reason} at once")
            return
        if not response.reset_reason and not self._fresh:
            self._problem(f"a resume from {self._resume_from} ended in a new session without a reason")
        if any(chapter.epoch == response.epoch for chapter in self.chapters) or not response.epoch:
            self._problem(f"a new session under the epoch {response.epoch!r}")
        self.last = self._resume_from
        session, reason = response.connection_id, response.reset_reason
        self.chapters.append(Chapter(session, response.epoch, self._resume_from, reason, dict(headers)))

    def pushed(self, push: pb.ServerPush) -> bool:
        """Look at a push; True when it is numbered and new to the application."""
        if push.seq_id == 0:
            return False
        chapter = self.current
        if chapter is None:
            self._problem(f"before START was answered came {wire.describe(push)}")
            return False
        if push.seq_id != self._next:
            self._problem(f"expected number {self._next}, got {wire.describe(push)}")
        self._next = push.seq_id + 1
        entry = Entry(push.seq_id, push.msg_id, push.type, push.payload, tuple(sorted(push.headers.items())))
        if push.seq_id <= self.last:
            self._replay(chapter, entry)
            return False
        self.last = push.seq_id
        chapter.entries.append(entry)
        if entry.msg_id:
            self._reply(entry)
        return True

    def replied(self, msg_id: int) -> bool:
        """Tell whether a request has had its reply."""
        return msg_id in self._replied

    def _replay(self, chapter: Chapter, entry: Entry) -> None:
        self.replayed += 1
        index = entry.seq - chapter.after - 1
        before = chapter.entries[index] if 0 <= index < len(chapter.entries) else None
        if before != entry:
            self._problem(f"number {entry.seq} came again with another content: {before} then {entry}")

    def _reply(self, entry: Entry) -> None:
        if entry.msg_id in self._replied:
            self._problem(f"message {entry.msg_id} answered by {self._replied[entry.msg_id]} and {entry.seq}")
        self._replied[entry.msg_id] = entry.seq

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self.name}: {text}")


@dataclass
class Ledger:
    """What one sender, sending one after the other, was told about its pushes to one client.

    ``ordered`` is False for bound notifies: their places depend on the replies, not on when they were sent.
    """

    ordered: bool = True
    order: dict[str, int] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    """Id and error code; what is in neither set has an unknown outcome."""

    def sending(self, push_id: str) -> None:
        """A push goes out."""
        self.order[push_id] = len(self.order)

    def outcome(self, push_id: str, success: bool, error_code: str = "") -> None:
        """Its answer came."""
        if success:
            self.accepted.add(push_id)
        else:
            self.refused[push_id] = error_code


def compare(history: History, ledger: Ledger) -> list[str]:
    """Return everything that is wrong: what the history saw itself, and what differs from the ledger."""
    problems = list(history.problems)
    received = [(chapter, push_id) for chapter, push_id in history.notifies if push_id in ledger.order]
    numbers = [ledger.order[push_id] for _, push_id in received]
    if len(set(numbers)) != len(numbers):
        twice = sorted({push_id for _, push_id in received if [i for _, i in received].count(push_id) > 1})
        problems.append(f"{history.name}: received twice: {twice[:10]}")
    # One of which the sender was told nothing may have been on its way for long.
    sure = [(chapter, push_id) for chapter, push_id in received if push_id in ledger.accepted]
    for (_, before), (_, after) in pairwise(sure):
        if ledger.ordered and ledger.order[after] < ledger.order[before]:
            problems.append(f"{history.name}: {after} came after {before}, but was sent before it")
    problems += [
        f"{history.name}: {push_id} was refused ({ledger.refused[push_id]}) and came all the same"
        for _, push_id in received
        if push_id in ledger.refused
    ]
    if ledger.ordered or not history.resets:
        problems += _unexplained(history, ledger, sure)
    return problems


def lost(history: History, ledger: Ledger) -> list[str]:
    """Return the accepted pushes that did not come, in the order of sending."""
    came = {push_id for _, push_id in history.notifies}
    return [push_id for push_id in ledger.order if push_id in ledger.accepted and push_id not in came]


def _unexplained(history: History, ledger: Ledger, received: list[tuple[int, str]]) -> list[str]:
    """Find accepted pushes that are missing with no reset between what came before and after them."""
    chapter_of = {push_id: chapter for chapter, push_id in received}
    last_chapter = len(history.chapters) - 1
    following: dict[str, int] = {}
    later = last_chapter
    for push_id in reversed(ledger.order):
        later = chapter_of.get(push_id, later)
        following[push_id] = later
    earlier = 0
    problems: list[str] = []
    for push_id in ledger.order:
        earlier = chapter_of.get(push_id, earlier)
        between = history.chapters[earlier + 1 : following[push_id] + 1]
        if push_id in ledger.accepted and push_id not in chapter_of and not any(c.is_reset for c in between):
            problems.append(f"{history.name}: {push_id} was accepted, never came, and no reset explains it")
    return problems
