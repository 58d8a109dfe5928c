"""Whether and when a client comes back: by how the connection ended, and by what went before."""

from __future__ import annotations

import pytest

from quicgw_fast.client.errors import ConnectionClosed, ConnectionFailed, NumberGap, reply_error
from quicgw_fast.client.link import LinkEnd
from quicgw_fast.client.options import Reconnect
from quicgw_fast.client.reconnecting import NextAttempt, Reconnecting, decide
from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import Problem

LOST = LinkEnd(error=ConnectionFailed("gone", Problem.NOTHING_LISTENS))
FULL = LinkEnd(CloseCode.OVERLOADED, "OVERLOADED: full, retry-after-ms 1500", by_peer=True)
RULE = Reconnect(base=0.1, cap=0.4, max_attempts=3)


def after(reconnecting: Reconnecting, end: LinkEnd, time_left: float | None = None) -> NextAttempt:
    return reconnecting.after(end, renewable_token=False, time_left=time_left)


class TestOneAfterTheOther:
    def test_attempts_end_with_their_number_and_begin_again_after_a_good_connection(self) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        for attempt in (1, 2, 3):
            assert after(reconnecting, LOST).delay is not None
            assert reconnecting.attempts == attempt
        assert after(reconnecting, LOST) == (None, LOST.error)
        reconnecting.proved_good()
        assert reconnecting.attempts == 0
        assert after(reconnecting, LOST).delay is not None

    def test_who_does_not_want_to_come_back_ends(self) -> None:
        assert after(Reconnecting(Reconnect(enabled=False), ("host", 1)), LOST) == (None, LOST.error)

    def test_a_first_connection_is_tried_again_only_where_the_gateway_says_when(self) -> None:
        reconnecting = Reconnecting(Reconnect(enabled=False, base=0.1, cap=0.1), ("host", 1))
        assert after(reconnecting, LOST, time_left=10.0).delay is None
        assert reconnecting.attempts == 0, "what is not allowed is not counted"
        delay, error = after(reconnecting, FULL, time_left=10.0)
        assert delay == pytest.approx(1.55, abs=0.06)
        assert isinstance(error, ConnectionClosed)

    def test_a_first_connection_is_not_tried_again_when_its_time_is_up_before(self) -> None:
        assert after(Reconnecting(RULE, ("host", 1)), FULL, time_left=1.4).delay is None

    def test_a_gateway_that_said_draining_and_is_gone_is_shutting_down(self) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        after(reconnecting, LinkEnd(CloseCode.DRAINING, "DRAINING", by_peer=True))
        error = after(reconnecting, LOST).error
        assert isinstance(error, ConnectionFailed)
        assert (error.problem, str(error)) == (Problem.DRAINING, "host:1: the gateway is shutting down (DRAINING)")

    @pytest.mark.parametrize("between", ["a START was accepted", "another close"])
    def test_draining_counts_only_until_something_newer(self, between: str) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        after(reconnecting, LinkEnd(CloseCode.DRAINING, "DRAINING", by_peer=True))
        if between == "a START was accepted":
            reconnecting.started()
        else:
            after(reconnecting, LinkEnd(CloseCode.IDLE, "IDLE", by_peer=True))
        assert after(reconnecting, LOST).error is LOST.error

    def test_another_failure_after_draining_is_told_as_it_is(self) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        after(reconnecting, LinkEnd(CloseCode.DRAINING, "DRAINING", by_peer=True))
        end = LinkEnd(error=ConnectionFailed("who?", Problem.UNKNOWN_HOST))
        assert after(reconnecting, end).error is end.error


def draining(words: str = "") -> LinkEnd:
    return LinkEnd(CloseCode.DRAINING, f"DRAINING: the gateway stops{words}", by_peer=True)


class TestWhereTo:
    def test_it_goes_where_a_gateway_that_stops_says_and_stays_there(self) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        assert reconnecting.address == ("host", 1)
        after(reconnecting, draining(", reconnect-after-ms 5, reconnect-to gw-2.example:8443"))
        assert reconnecting.address == ("gw-2.example", 8443)
        reconnecting.started()
        after(reconnecting, LOST)
        assert reconnecting.address == ("gw-2.example", 8443), "its session lives there"
        after(reconnecting, LOST)
        assert reconnecting.address == ("host", 1), "nobody is there"

    def test_it_goes_home_from_a_gateway_that_stops_and_names_none(self) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        after(reconnecting, draining(" reconnect-to [::1]:8443"))
        assert reconnecting.address == ("::1", 8443)
        reconnecting.started()
        after(reconnecting, draining())
        assert reconnecting.address == ("host", 1)

    def test_a_refusal_may_name_another_gateway_as_well(self) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        why = "the gateway at host:1 is shutting down (reconnect-to 127.0.0.1:2): try another one, or again later"
        delay, _ = after(reconnecting, LinkEnd(error=ConnectionFailed(why, Problem.DRAINING)), time_left=5.0)
        assert delay is not None, "a first connection, too, is tried there"
        assert reconnecting.address == ("127.0.0.1", 2)

    @pytest.mark.parametrize("told", ["nobody:0", "nobody:port", "http://x:1", ":1", "x:99999"])
    def test_what_is_no_address_is_not_followed(self, told: str, caplog: pytest.LogCaptureFixture) -> None:
        reconnecting = Reconnecting(RULE, ("host", 1))
        after(reconnecting, draining(f", reconnect-to {told}"))
        assert reconnecting.address == ("host", 1)
        assert "names an address that is none" in caplog.text

    def test_nor_one_by_who_does_not_want_to_or_from_another_close(self) -> None:
        deaf = Reconnecting(Reconnect(follow=False), ("host", 1))
        after(deaf, draining(", reconnect-to 127.0.0.1:2"))
        reconnecting = Reconnecting(RULE, ("host", 1))
        after(reconnecting, LinkEnd(CloseCode.IDLE, "IDLE: reconnect-to 127.0.0.1:2", by_peer=True))
        assert deaf.address == reconnecting.address == ("host", 1)


class TestWhatAnEndMeansAlone:
    @pytest.mark.parametrize("code", [0, 0x101, 0x102, 0x103, 0x104, 0x105, 0x100, 0x106, 0x1FF])
    def test_final_codes_of_the_gateway(self, code: int) -> None:
        decision = decide(LinkEnd(code, "why", by_peer=True), renewable_token=False)
        assert not decision.retry
        assert isinstance(decision.error, ConnectionClosed)
        assert (decision.error.code, decision.error.reason) == (code, "why")

    @pytest.mark.parametrize("code", [0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x2FF, 0x42])
    def test_all_other_codes_mean_to_come_back(self, code: int) -> None:
        assert decide(LinkEnd(code, by_peer=True), renewable_token=False).retry

    @pytest.mark.parametrize("code", [0, 0x102, 0x201, 0x205])
    def test_what_this_side_gave_up_comes_back(self, code: int) -> None:
        assert decide(LinkEnd(code, by_peer=False), renewable_token=False).retry

    def test_own_errors_come_back_and_are_the_cause(self) -> None:
        for error in (NumberGap(1, 3), ConnectionFailed("no route")):
            decision = decide(LinkEnd(error=error), renewable_token=False)
            assert decision.retry
            assert decision.error is error

    def test_an_expired_token_can_be_renewed_or_not(self) -> None:
        end = LinkEnd(CloseCode.TOKEN_EXPIRED, by_peer=True)
        assert decide(end, renewable_token=True).retry
        assert not decide(LinkEnd(CloseCode.AUTH_FAILED, by_peer=True), renewable_token=True).retry

    @pytest.mark.parametrize(("code", "retry"), [(400, False), (401, False), (403, False), (503, True), (500, True)])
    def test_a_refused_start(self, code: int, retry: bool) -> None:
        assert decide(LinkEnd(error=reply_error(code)), renewable_token=True).retry is retry

    def test_a_full_gateway_says_when_to_come_back(self) -> None:
        decision = decide(
            LinkEnd(CloseCode.OVERLOADED, "OVERLOADED: full, retry-after-ms 1500", by_peer=True), renewable_token=False
        )
        assert (decision.retry, decision.at_least) == (True, 1.5)
        silent = decide(LinkEnd(CloseCode.OVERLOADED, "OVERLOADED: full", by_peer=True), renewable_token=False)
        assert (silent.retry, silent.at_least) == (True, None)

    def test_a_gateway_that_stops_says_when_to_come_back(self) -> None:
        decision = decide(draining(", reconnect-after-ms 1250, reconnect-to 127.0.0.1:2"), renewable_token=False)
        assert (decision.retry, decision.at_least) == (True, 1.25)

    def test_a_rate_limit_says_itself_when_to_come_back(self) -> None:
        assert not decide(LinkEnd(error=reply_error(429)), renewable_token=False).retry
        decision = decide(LinkEnd(error=reply_error(429, headers={"retry-after-ms": "2500"})), renewable_token=False)
        assert (decision.retry, decision.at_least) == (True, 2.5)
