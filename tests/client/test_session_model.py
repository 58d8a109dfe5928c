"""Random lives of a session against a model of the gateway: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quicgw_fast.client.messages import Ticket
from quicgw_fast.client.session import ClientSession, NumberedRequest, Start
from quicgw_fast.client.wire import ResumeClaim, StartAnswer
from quicgw_fast.codes import ResetReason


class Model:
    """What a gateway keeps of one session (protocol §5): retained numbers, highest request, acknowledged."""

    def __init__(self, number: int, after: int) -> None:
        self.id = f"s{number}"
        self.epoch = f"e{number}"
        self.last = self.acked = after
        self.max_client_seq = 0


class SessionLife(RuleBasedStateMachine):
    """A client session, a gateway, and a wire between them that may be cut with everything on it.

    The application is a list: notify and reply are not told apart here, each message is ``(session, number)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.session: ClientSession[NumberedRequest] = ClientSession(ack_every=4, ack_delay=0.05)
        self.sessions = 0
        self.gateway: Model
        self.now = 0.0
        self.up: deque[int] = deque()
        """Requests (above 0) and acknowledgements (0 and below) on their way."""
        self.down: deque[int] = deque()
        self.connected = False
        self.application: list[tuple[int, int]] = []
        self.kept_back: deque[tuple[int, int]] = deque()
        self.asked: list[NumberedRequest] = []
        self.settled: set[int] = set()

    @initialize()
    def begin(self) -> None:
        assert self.session.claim() == ResumeClaim(attempt=1)
        self._fresh(0, ResetReason.NONE)

    def _fresh(self, after: int, reason: ResetReason) -> None:
        self.sessions += 1
        self.gateway = Model(self.sessions, after)
        outcome = self.session.started(
            StartAnswer(self.gateway.id, self.gateway.epoch, False, 0, reason, after + 1, 30)
        )
        open_before = [request for request in self.asked if request.seq not in self.settled]
        assert outcome.lost == open_before
        assert outcome.start is (Start.FRESH if self.sessions == 1 else Start.RESET)
        self.asked, self.settled = [], set()
        self.connected = True

    # The client's side

    @rule()
    def ask(self) -> None:
        if self.connected:
            request = NumberedRequest()
            self.session.number(request)
            self.asked.append(request)
            assert request.seq == len(self.asked)
            self.up.append(request.seq)

    @precondition(lambda self: self.connected and self.down)
    @rule(room=st.booleans())
    def receive(self, room: bool) -> None:
        seq = self.down.popleft()
        if not self.session.receive(seq, self.now):
            return
        if room and not self.kept_back:
            self.application.append((self.sessions, seq))
        else:
            self.kept_back.append((self.session.generation, seq))
            self.session.keep_back(seq)

    @precondition(lambda self: self.kept_back)
    @rule()
    def read(self) -> None:
        generation, seq = self.kept_back.popleft()
        self.application.append((generation, seq))
        self.session.hand_over(generation, seq, self.now)

    @rule(step=st.floats(0, 0.1))
    def acknowledge(self, step: float) -> None:
        self.now += step
        due = self.session.ack_due(self.now)
        if not self.connected or due is None or due > 0:
            return
        seq = self.session.take_ack()
        assert seq is not None
        assert self.session.take_ack() is None
        self.up.append(-seq)

    # The gateway's side

    @precondition(lambda self: self.connected and self.up)
    @rule()
    def arrive(self) -> None:
        value = self.up.popleft()
        if value > 0:
            assert value == self.gateway.max_client_seq + 1, "requests have neither holes nor repeats"
            self.gateway.max_client_seq = value
        else:
            assert -value <= self.gateway.last, "never acknowledged what was not sent"
            self.gateway.acked = max(self.gateway.acked, -value)

    @rule(reply=st.booleans())
    def send(self, reply: bool) -> None:
        """The gateway makes a message, also while the client is away."""
        self.gateway.last += 1
        if self.connected:
            self.down.append(self.gateway.last)
            unsettled = [s for s in range(1, self.gateway.max_client_seq + 1) if s not in self.settled]
            if reply and unsettled:
                settled = self.session.settle(unsettled[0])
                assert settled is self.asked[unsettled[0] - 1]
                self.settled.add(unsettled[0])

    # The wire

    @precondition(lambda self: self.connected)
    @rule(arrived=st.integers(0, 50))
    def cut(self, arrived: int) -> None:
        for _ in range(min(arrived, len(self.up))):
            self.arrive()
        self.up.clear()
        self.down.clear()
        self.connected = False

    @precondition(lambda self: not self.connected)
    @rule()
    def resume(self) -> None:
        claim = self.session.claim()
        gateway = self.gateway
        assert (claim.session_id, claim.epoch) == (gateway.id, gateway.epoch)
        assert gateway.acked <= claim.last_acked <= gateway.last, "what is claimed is still retained"
        gateway.acked = claim.last_acked
        outcome = self.session.started(
            StartAnswer(
                gateway.id,
                gateway.epoch,
                True,
                gateway.max_client_seq,
                ResetReason.NONE,
                claim.last_acked + 1,
                30,
            )
        )
        assert outcome.start is Start.RESUMED
        self.connected = True
        resent = [request.seq for request in outcome.resend]
        assert resent == list(range(gateway.max_client_seq + 1, len(self.asked) + 1))
        self.up.extend(resent)
        self.down.extend(range(claim.last_acked + 1, gateway.last + 1))

    @precondition(lambda self: not self.connected)
    @rule(reason=st.sampled_from([reason for reason in ResetReason if reason is not ResetReason.NONE]))
    def reset(self, reason: ResetReason) -> None:
        self._fresh(self.session.claim().last_acked, reason)

    @precondition(lambda self: not self.connected)
    @rule()
    def change_process(self) -> None:
        """Another process takes the ticket; what was kept back is left to it."""
        self.kept_back.clear()
        ticket = self.session.ticket()
        assert isinstance(ticket, Ticket)
        self.session = ClientSession(ticket, ack_every=4, ack_delay=0.05)
        self.session.generation = self.sessions  # only for this model's book-keeping
        self.asked = self.asked[: self.gateway.max_client_seq]  # nobody can send the others again
        self.settled = {request.seq for request in self.asked}
        self.resume()

    # What must always be true

    @invariant()
    def the_application_has_each_message_once_and_in_order(self) -> None:
        assert all(
            later[0] > sooner[0] or (later[0] == sooner[0] and later[1] == sooner[1] + 1)
            for sooner, later in zip(self.application, self.application[1:], strict=False)
        )

    @invariant()
    def only_what_the_application_has_is_acknowledged(self) -> None:
        if not self.sessions:
            return
        waiting = [seq for generation, seq in self.kept_back if generation == self.session.generation]
        assert self.session.acked <= self.session.ackable
        assert self.session.ackable == (waiting[0] - 1 if waiting else self.session.seen)
        assert self.session.seen <= self.gateway.last


SessionLife.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestSessionLife = SessionLife.TestCase
