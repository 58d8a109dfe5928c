"""The random steps in the life of one openid that ``test_model`` takes, each judged by the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)

from quicgw_fast.codes import CloseCode, ResetReason, SyncHint
from quicgw_fast.session import SessionState
from quicgw_fast.session.states import Attachment, WindowState
from tests.flow.ends import HIGH_WATER
from tests.flow.house import text_of
from tests.flow.oracle import BIND, HELD, WINDOW, WRONG, Life, Oracle

if TYPE_CHECKING:
    from tests.flow.ends import Call
    from tests.flow.house import House


class Lives(Oracle):
    """One openid, its connections, and the services around it."""

    def teardown(self) -> None:
        if self.client is not None:
            self.run(self.client.link.relieve)
            self.take(None)
            assert self.life is not None
            assert self.have == self.life.last, "something was never sent"
        for house in self.houses():
            self.run(house.__aexit__)
        self.runner.close()

    def houses(self) -> list[House]:
        return [self.house]

    # Connections

    def begin(self, last_acked: int, session_id: str, epoch: str) -> None:
        """START, and everything that its answer must say."""
        self.expire()
        life, before = self.life, self.client
        claim = self.judge(last_acked, session_id, epoch)
        client = self.run(self.house.connect)
        answer = self.run(lambda: client.start("alice", last_acked, session_id, epoch))
        assert answer.success
        if before is not None:
            assert before.ended is CloseCode.SUPERSEDED
        reason, gap = claim
        assert answer.resumed == (reason is None)
        assert answer.replay_from == last_acked + 1
        assert {k: v for k, v in client.answer_headers.items() if k.startswith("gap-")} == gap
        if reason is None:
            assert life is not None
            assert (answer.connection_id, answer.epoch, answer.max_client_seq) == (
                life.id,
                life.epoch,
                life.last_request,
            )
            assert answer.reset_reason == ResetReason.NONE
            self.detach()
            life.acked = max(life.acked, last_acked)
            life.detached_at = None
            self.go_on()
        else:
            assert answer.reset_reason == reason
            assert answer.max_client_seq == 0
            if life is not None:
                assert answer.connection_id != life.id
                assert answer.epoch != life.epoch
                self.end()
            self.life = Life(answer.connection_id, answer.epoch, last_acked, acked=last_acked)
            self.have = last_acked
        self.client = client
        client.seq = self.alive.last_request
        self.taken = 0

    @initialize(login=st.booleans())
    def set_out(self, login: bool) -> None:
        self.begin(0, "", "")
        if login:
            self.hello()
            self.answer_the_login(self.house.upstream.waiting("hello")[0], 200)

    @precondition(lambda self: self.old_enough(6))
    @rule()
    def start_afresh(self) -> None:
        self.begin(0, "", "")

    def old_enough(self, messages: int) -> bool:
        """Lives that end early are no interesting ones."""
        return self.life is None or len(self.life.texts) >= messages

    @precondition(lambda self: self.life or self.ended)
    @rule(by_session=st.booleans())
    def come_back(self, by_session: bool) -> None:
        """As a client does: with the number up to which its application has everything."""
        life = self.life or self.ended[-1]
        self.begin(self.have, *((life.id, life.epoch) if by_session else ("", "")))

    @precondition(lambda self: self.life)
    @rule(back=st.integers(0, WINDOW), by_session=st.booleans())
    def come_back_with_less(self, back: int, by_session: bool) -> None:
        """What the client has already is sent again; its application must not see it twice."""
        life = self.alive
        number = max(self.have - back, life.acked)
        if number or by_session:
            self.begin(number, *((life.id, life.epoch) if by_session else ("", "")))

    @precondition(lambda self: self.old_enough(2))
    @rule(kind=st.sampled_from(WRONG), by_session=st.booleans())
    def come_back_wrongly(self, kind: str, by_session: bool) -> None:
        life = self.life or self.ended[-1]
        session_id, epoch = (life.id, life.epoch) if by_session else ("", "")
        number = {"future": life.last + 1, "forgotten": max(life.acked - 1, 0)}.get(kind, self.have)
        if kind == "epoch":
            epoch = "0" * 16
        if kind == "unknown":
            session_id = "0" * 32
        self.begin(number, session_id, epoch)

    @precondition(lambda self: self.life)
    @rule()
    def somebody_else_claims_the_session(self) -> None:
        thief = self.run(self.house.connect)
        answer = self.run(lambda: thief.start("mallory", self.have + 1, self.alive.id, self.alive.epoch))
        assert (answer.resumed, answer.reset_reason) == (False, ResetReason.UNKNOWN_SESSION)
        assert thief.answer_headers == {"gap-reason": "UNKNOWN_SESSION", "gap-from": str(self.have + 2)}
        self.run(thief.stop)

    @precondition(lambda self: self.client)
    @rule()
    def lose_the_connection(self) -> None:
        self.run(self.online.link.lose)
        self.detach()

    @precondition(lambda self: self.client and self.old_enough(6))
    @rule()
    def stop(self) -> None:
        client = self.online
        self.run(client.stop)
        assert client.ended is CloseCode.NORMAL
        self.end()

    @precondition(lambda self: self.fenced)
    @rule(which=st.integers(0, 9))
    def an_old_connection_goes_on_talking(self, which: int) -> None:
        old, _ = self.fenced[which % len(self.fenced)]
        for talk in (lambda: old.ack(1), lambda: old.call("slow"), old.heartbeat, old.stop, old.link.relieve):
            self.run(talk)

    @rule(seconds=st.sampled_from([1.0, 1.0, 1.0, 20.0, 61.0, 121.0]))
    def pass_time(self, seconds: float) -> None:
        self.run(lambda: self.house.pass_time(seconds))
        if self.life is not None:
            self.life.bound = [entry for entry in self.life.bound if entry[3] > self.house.clock.now]
        self.expire()

    # The connection's own pace

    @precondition(lambda self: self.client)
    @rule(count=st.integers(1, 6))
    def read(self, count: int) -> None:
        self.take(count)

    def take(self, count: int | None) -> None:
        """The application takes what is on the connection: every number once, in order."""
        numbered = self.online.numbered
        for push in numbered[self.taken : None if count is None else self.taken + count]:
            self.taken += 1
            assert push.seq_id <= self.have + 1, f"{push.seq_id} came, but {self.have + 1} is missing"
            assert text_of(push) == self.alive.texts[push.seq_id - self.alive.base - 1]
            self.have = max(self.have, push.seq_id)

    @precondition(lambda self: self.client)
    @rule()
    def stall(self) -> None:
        self.online.link.pending = HIGH_WATER + 1

    @precondition(lambda self: self.client)
    @rule()
    def relieve(self) -> None:
        self.run(self.online.link.relieve)

    @precondition(lambda self: self.client)
    @rule()
    def keep_up(self) -> None:
        """As most clients do."""
        self.run(self.online.link.relieve)
        self.take(None)
        self.acknowledge(0)

    @precondition(lambda self: self.client)
    @rule(less=st.integers(0, 3))
    def acknowledge(self, less: int) -> None:
        number = max(self.have - less, 0)
        self.run(lambda: self.online.ack(number))
        if number > self.alive.acked:
            self.alive.acked = number
            self.go_on()

    @precondition(lambda self: self.client)
    @rule(more=st.integers(1, 5))
    def acknowledge_the_future(self, more: int) -> None:
        client = self.online
        self.run(lambda: client.ack(self.alive.last + more))
        if self.commit(["error 400"]):
            self.detach()
            assert client.ended is CloseCode.PROTOCOL_ERROR

    # Requests

    @precondition(lambda self: self.client)
    @rule(first=st.integers(1, 3), count=st.integers(1, 3))
    def call(self, first: int, count: int) -> None:
        life = self.alive
        for _ in range(count):
            if self.client is None:
                return  # the one before was an overflow
            seq = life.last_request + 1 if life.last_request else first
            self.call_once(seq)

    def call_once(self, seq: int) -> None:
        self.run(lambda: self.online.call("slow", f"r{seq}".encode(), seq=seq))
        self.accept(seq)
        if self.alive.login is not None:
            self.alive.behind.append(seq)
        else:
            self.dispatch(seq)

    @precondition(lambda self: self.client)
    @rule()
    def hello(self) -> None:
        life = self.alive
        if life.login is None:
            seq = life.last_request + 1
            self.run(lambda: self.online.call("hello", b"hello", seq=seq))
            self.accept(seq)
            life.login = seq

    def accept(self, seq: int) -> None:
        self.alive.last_request = seq
        self.alive.open.add(seq)

    @precondition(lambda self: self.client)
    @rule(off=st.sampled_from([0, 2, 7]))
    def call_with_a_wrong_number(self, off: int) -> None:
        life = self.alive
        if life.last_request:
            self.run(lambda: self.online.call("slow", seq=life.last_request + off))
            self.commit(["error 400"])

    @precondition(lambda self: self.house.upstream.waiting("slow"))
    @rule(which=st.integers(0, 2))
    def the_service_answers(self, which: int) -> None:
        waiting = self.house.upstream.waiting("slow")
        call = waiting[which % len(waiting)]
        self.run(lambda: call.answer(data=call.request.data))
        if self.life is not None and call.request.session_id == self.life.id:
            self.reply(call.request.client_seq_id, f"200 {call.request.data.decode()}")

    @precondition(lambda self: self.house.upstream.waiting("hello"))
    @rule(which=st.integers(0, 2), code=st.sampled_from([200, 200, 403]))
    def the_login_is_answered(self, which: int, code: int) -> None:
        waiting = self.house.upstream.waiting("hello")
        self.answer_the_login(waiting[which % len(waiting)], code)

    def answer_the_login(self, call: Call, code: int) -> None:
        self.run(lambda: call.answer(code=code, data=b"hello"))
        if self.life is not None and call.request.session_id == self.life.id:
            self.login_ends(call.request.client_seq_id, f"{code} hello")

    def login_ends(self, seq: int, text: str) -> None:
        life = self.alive
        life.login = None
        if self.reply(seq, text) and text.startswith("200"):
            life.logged_in = True
            life.release()
        while life.behind:  # an overflow by one of them is the end for the rest
            self.dispatch(life.behind.pop(0))

    # Pushes

    @rule(count=st.integers(1, 4))
    def push_now(self, count: int) -> None:
        for _ in range(count):
            self.push_once()

    def push_once(self) -> None:
        name, life = self.name(), self.life
        told = self.run(lambda: self.house.push(content=name))
        if life is None:
            assert told.error_code == "TARGET_NOT_FOUND"
        elif life.overflowed:
            assert told.error_code == "WINDOW_FULL"
        elif not life.logged_in and len(life.held) < HELD:
            assert told.message == "cached"
            life.held.append(name)
        elif not life.logged_in:
            assert told.error_code == "CACHE_FULL"
        else:
            self.plain_push(name, told)

    def go_on(self) -> None:
        if self.alive.releasing:
            self.alive.release()

    def plain_push(self, name: str, told: Any) -> None:
        fits = self.alive.fits(1) and not self.alive.releasing
        assert (told.success, told.error_code) == (fits, "" if fits else "WINDOW_FULL")
        if fits:
            self.alive.texts.append(name)

    @precondition(lambda self: self.life)
    @rule(before=st.booleans(), ahead=st.integers(-3, 3))
    def bind(self, before: bool, ahead: int) -> None:
        name, life = self.name(), self.alive
        client_seq = max(life.last_request + ahead, 0)
        hint = SyncHint.BEFORE_RESPONSE if before else SyncHint.AFTER_RESPONSE
        told = self.run(lambda: self.house.push(content=name, hint=hint, client_seq=client_seq))
        if life.overflowed:
            assert told.error_code == "WINDOW_FULL"
        elif client_seq == 0:
            assert told.error_code == "BIND_SEQ_REQUIRED"
        elif client_seq in life.open or client_seq > life.last_request:
            # The step of its request must fit into an empty window: it, its reply, and what is bound already.
            if sum(entry[0] == client_seq for entry in life.bound) + 2 > WINDOW:
                assert told.error_code == "BIND_LIMIT"
                return
            assert told.message == "bound"
            life.bound.append((client_seq, before, name, self.house.clock.now + BIND))
        elif before:
            assert told.error_code == "RESPONSE_ALREADY_SENT"
        else:
            self.plain_push(name, told)

    @rule()
    def broadcast(self) -> None:
        name, life = self.name(), self.life
        told = self.run(lambda: self.house.broadcast(name))
        reached = life is not None and life.logged_in and not life.overflowed and life.fits(1) and not life.releasing
        assert told.sent_count == int(reached)
        if reached:
            self.alive.texts.append(name)
        elif life is not None and life.logged_in:
            self.overflow([name])

    # What always holds

    @invariant()
    def the_gateway_agrees_with_the_oracle(self) -> None:
        life = self.life
        session = self.house.path.registry.by_openid("alice")
        if life is None:
            assert session is None
            assert self.house.budget.used == 0
            return
        assert session is not None
        outbox = session.outbox
        assert session.id == life.id
        assert (session.state is SessionState.NORMAL) == life.logged_in
        assert session.attached == (self.client is not None) == (session.connection is Attachment.ATTACHED)
        assert (session.window is WindowState.OVERFLOWED) == life.overflowed
        assert (outbox.last_seq, outbox.acked_seq, outbox.retained) == (life.last, life.acked, life.retained)
        assert outbox.overflowed == life.overflowed
        assert outbox.dropped == (life.lost_responses, life.lost_notifies)
        assert (outbox.in_flight, outbox.max_client_seq) == (len(life.open), life.last_request)
        assert (outbox.held, outbox.bound) == (len(life.held), len(life.bound))
        assert outbox.releasing == life.releasing
        assert self.house.budget.used == outbox.memory >= outbox.retained_bytes
        accounts = self.house.accounts()
        assert (accounts["responses"]["open"], accounts["notifies"]["open"]) == life.open_messages

    @invariant()
    def nothing_is_sent_on_an_old_connection(self) -> None:
        for client, sent in self.fenced:
            assert len(client.link.sent) == sent
            assert client.link.closed

    @invariant()
    def the_open_connection_is_well(self) -> None:
        if self.client is not None:
            assert self.client.ended is None
            assert not self.client.link.closed
