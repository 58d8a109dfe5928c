"""The scenes of a bad day: no room, an upstream that is down, one that is slow, a connection that is lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from quicgw_fast.client import Reconnect, ReplyError, State
from quicgw_fast.codes import ErrorCode
from quicgw_fast.demo.tour import checks
from quicgw_fast.demo.tour.relay import Relay
from quicgw_fast.demo.tour.stage import SMALL_QUEUE, SMALL_WORKERS, TIMEOUT, until
from quicgw_fast.errors import RequestError
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from quicgw_fast.client import Reply
    from quicgw_fast.demo.tour.show import Show
    from quicgw_fast.demo.tour.stage import Player, Stage

RUSH = 10
"""Requests at once for the small gateway."""
RUSH_MS = 100
"""How long each of them takes."""
PATIENT_MS = 250
"""What the impatient client waits for a service that takes ten times as long."""
MAIL = tuple(f"mail {number}" for number in range(1, 6))
"""What is pushed to a client that is cut off."""


async def full_queue(stage: Stage, show: Show) -> None:
    """More requests at once than workers and queue hold: the rest is refused at once, not queued for ever."""
    guest = await stage.enter_guest("guest-in-a-rush", stage.small.addresses.quic)
    futures = [guest.client.submit("sleep", params={"ms": str(RUSH_MS)}) for _ in range(RUSH)]
    codes = Counter([await _code(future) for future in futures])
    show.say(
        f"{RUSH} requests at once for {SMALL_WORKERS} worker and a queue of {SMALL_QUEUE}: "
        f"{codes[200]} answered, {codes[503]} refused with 503"
    )
    show.check("every request has its reply, 200 or 503", checks.equal("replies", RUSH, codes[200] + codes[503]))
    show.check("those that found room were answered", _at_least(SMALL_QUEUE, codes[200], "answered 200"))
    show.check("some were refused at once", _at_least(1, codes[503], "refused with 503"))


async def upstream_down(stage: Stage, show: Show) -> None:
    """A service that answered a moment ago is taken down."""
    guest = await stage.enter_guest("guest-of-a-ruin", stage.small.addresses.quic)
    first = await _code(guest.client.submit("echo"))
    await stage.doomed.stop(grace=1.0)
    second = await _code(guest.client.submit("echo"))
    show.say(f"echo was answered with {first}; its service was stopped; echo was answered with {second}")
    show.check("up is 200, down is 500", checks.equal("codes", (200, 500), (first, second)))


async def upstream_slow(stage: Stage, show: Show) -> None:
    """A service takes longer than the client wants to wait."""
    guest = await stage.enter_guest("guest-without-time", stage.small.addresses.quic)
    began = time.perf_counter()
    # The header shortens the gateway's deadline; the SDK itself waits longer, to see the gateway's answer.
    wish = {"timeout-ms": str(PATIENT_MS)}
    code = await _code(guest.client.submit("sleep", params={"ms": str(PATIENT_MS * 10)}, headers=wish))
    took = (time.perf_counter() - began) * 1000
    show.say(f"a service that takes {PATIENT_MS * 10} ms, a deadline of {PATIENT_MS} ms: {code} after {took:.0f} ms")
    show.check("the deadline is answered with 504", checks.equal("code", 504, code))
    early = took < PATIENT_MS * 0.9
    show.check("not before it passed", [f"504 came after {took:.0f} ms already"] if early else [])


async def lost_connection(stage: Stage, show: Show) -> None:
    """A client's network goes dark with a request in flight, and services go on pushing to it."""
    async with Relay(stage.gateway.addresses.quic) as relay:
        comeback = Reconnect(base=0.05, cap=0.2, attempt_timeout=1.0)
        guest = await stage.enter_guest(
            "guest-in-a-tunnel", relay.address, heartbeat=0.2, max_missed=3, reconnect=comeback
        )
        session = guest.client.session_id
        in_flight = guest.client.submit("sleep", params={"ms": "300"}, data=b"in flight", timeout=3 * TIMEOUT)
        await guest.client.call("echo")  # its reply proves that the request before it has arrived
        began = time.perf_counter()
        await _darkness(stage, relay, guest)
        reply = await in_flight
        received = [(await guest.client.next_notify(TIMEOUT)).content for _ in MAIL]
        took = time.perf_counter() - began
        show.say(f"dark for a while: {relay.dropped} datagrams lost, a request in flight, {len(MAIL)} pushes meanwhile")
        show.say(f"resumed and complete {took:.1f} s after the lights went out: {', '.join(received)}, and the reply")
        # What came twice would be here before the answer to STOP, which is behind everything that was on its way.
        await guest.client.close()
        show.check("the session was resumed, not begun anew", _resumed(guest, session))
        show.check("each push was delivered once, in order", checks.equal("notifies", list(MAIL), received))
        show.check("none came twice", checks.equal("notifies left", 0, guest.client.pending_notifies))
        show.check("the request in flight got its reply", checks.equal("data", b"in flight", reply.data))


def _at_least(least: int, count: int, what: str) -> list[str]:
    return [] if count >= least else [f"{count} were {what}, which should be {least} or more"]


async def _darkness(stage: Stage, relay: Relay, guest: Player) -> None:
    """Cut the client off, push to it, and let light in when it has noticed."""
    relay.dark = True
    for content in MAIL:
        push = pb.UnicastPushRequest(
            target_type="session", target_id=guest.client.session_id, msg_type="mail", title="mail", content=content
        )
        answer = await stage.pusher.push(push)
        if not answer.success:
            raise RequestError(ErrorCode.FAILED, "a push to the lost client was refused", answer.error_code)
    await until(lambda: _times(guest, State.RECONNECTING) > 0, "noticing that the connection is dead")
    relay.dark = False


def _times(player: Player, state: State) -> int:
    return sum(event.state is state for event in player.states)


def _resumed(player: Player, session: str) -> list[str]:
    found = checks.equal("session", session, player.client.session_id)
    found += checks.equal("resets", 0, _times(player, State.RESET))
    return found or ([] if _times(player, State.RESUMED) else ["the client was not told that it resumed"])


async def _code(asked: asyncio.Future[Reply]) -> int:
    """Wait for the answer and return its code, whoever gave it."""
    await asyncio.wait((asked,))
    error = asked.exception()
    return error.code if isinstance(error, ReplyError) else asked.result().code
