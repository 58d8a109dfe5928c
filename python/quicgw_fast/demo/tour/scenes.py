"""The scenes of an ordinary day: login, load, notifies, heartbeats, STOP."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from quicgw_fast.codes import BindCode
from quicgw_fast.demo.tour import checks
from quicgw_fast.demo.tour.stage import TIMEOUT, until
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.demo.tour.show import Show
    from quicgw_fast.demo.tour.stage import Player, Stage

IN_FLIGHT = 4
"""Requests of one client that wait for their reply at the same time."""
ECHOES = ("echo", "business_msg", "data_sync")
"""Actions that answer the data that came; one for each of the three services."""


async def login(stage: Stage, show: Show) -> None:
    """Every client: QUIC handshake, START, hello."""
    began = time.perf_counter()
    names = [f"player-{number:02}" for number in range(1, stage.scale.clients + 1)]
    await asyncio.gather(*(stage.enter(name) for name in names))
    took = (time.perf_counter() - began) * 1000
    show.say(f"{len(names)} clients did the QUIC handshake, START and hello in {took:.0f} ms")
    hello = stage.players[0].client.hello
    zone, gid = (hello.headers.get("zone"), hello.headers.get("gid")) if hello else (None, None)
    show.say(f"{names[0]} was told zone {zone} and gid {gid}")
    show.check("the gateway has them all logged in", checks.equal("sessions", len(names), _sessions(stage, "NORMAL")))


async def requests(stage: Stage, show: Show) -> None:
    """All requests, spread over the clients, each client with several in flight."""
    share, rest = divmod(stage.scale.requests, len(stage.players))
    wrong: list[str] = []
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for index, player in enumerate(stage.players):
            numbers = iter(range(share + (index < rest)))
            for _ in range(IN_FLIGHT):
                tasks.create_task(_ask(stage, player, numbers, wrong))
    stage.load_seconds = time.perf_counter() - began
    rate = stage.scale.requests / stage.load_seconds
    show.say(f"{stage.scale.requests} requests to three services in {stage.load_seconds:.2f} s, {rate:.0f} a second")
    show.check("every reply carries the data of its own request", wrong)
    show.check("all were answered", checks.equal("replies", stage.scale.requests, len(stage.latencies)))


async def _ask(stage: Stage, player: Player, numbers: Iterator[int], wrong: list[str]) -> None:
    for number in numbers:
        action, data = ECHOES[number % len(ECHOES)], f"{player.tape.name} asks {number}".encode()
        began = time.perf_counter()
        reply = await player.client.call(action, data=data)
        stage.latencies.append(time.perf_counter() - began)
        wrong += checks.equal(f"{player.tape.name}, {action} {number}", (200, data), (reply.code, reply.data))


async def bound_notifies(stage: Stage, show: Show) -> None:
    """Notifies that a service binds to the request it is working on: right before and right after the reply."""
    player = stage.players[0]
    before = await player.client.call("before", params={"title": "loot dropped"})
    notify = await player.client.next_notify(TIMEOUT)
    show.say(f"bound before: notify {notify.seq_id} {notify.message!r}, then reply {before.seq_id}")
    show.check(
        "it came right before the reply", checks.around(player.tape, before.seq_id, ["[before] loot dropped"], [])
    )
    after = await player.client.call("after", params={"title": "level up"})
    notify = await player.client.next_notify(TIMEOUT)
    show.say(f"bound after: reply {after.seq_id}, then notify {notify.seq_id} {notify.message!r}")
    show.check("it came right after the reply", checks.around(player.tape, after.seq_id, [], ["[after] level up"]))
    late = await stage.pusher.push(_push(player, pb.NSH_BEFORE_RESPONSE, bind_client_seq_id=1))
    show.say(f"bound before a reply that is long out: refused, {late.error_code}")
    show.check(
        "it is refused instead of late",
        checks.equal("outcome", (False, BindCode.RESPONSE_ALREADY_SENT), (late.success, late.error_code)),
    )


async def broadcast(stage: Stage, show: Show) -> None:
    """One client's action makes its service broadcast to everybody."""
    reply = await stage.players[1].client.call("broadcast", params={"title": "maintenance at noon"})
    show.say(f"the gateway numbered it for {reply.data.decode()} sessions")
    show.check("it went to every client", checks.equal("sent", str(len(stage.players)), reply.data.decode()))
    await asyncio.gather(*(player.client.next_notify(TIMEOUT) for player in stage.players))
    tapes = [player.tape for player in stage.players]
    show.check("every client received it once", checks.received_times(tapes, "[broadcast] maintenance at noon"))


async def unicast(stage: Stage, show: Show) -> None:
    """A service pushes to one client at once, by the gid that hello gave it."""
    player, *others = stage.players
    hello = player.client.hello
    gid = hello.headers["gid"] if hello else ""
    began = time.perf_counter()
    answer = await stage.pusher.push(_push(player, pb.NSH_IMMEDIATELY, target_type="gid", target_id=gid))
    notify = await player.client.next_notify(TIMEOUT)
    took = (time.perf_counter() - began) * 1000
    show.say(f"pushed to {gid}: {answer.message}; {player.tape.name} had it after {took:.1f} ms")
    show.check(f"{player.tape.name} received it once", checks.received_times([player.tape], notify.message))
    show.check("nobody else did", checks.received_times([other.tape for other in others], notify.message, times=0))


async def heartbeats(stage: Stage, show: Show) -> None:
    """The SDK sends heartbeats by itself, and notices by them when a connection is dead."""
    everybody = [player.client for player in stage.players]
    await until(lambda: all(client.stats.last_rtt is not None for client in everybody), "a heartbeat of every client")
    slowest = max(client.stats.last_rtt or 0.0 for client in everybody) * 1000
    show.say(f"every client had a heartbeat answered, the slowest after {slowest:.1f} ms")
    unanswered = [client.options.openid for client in everybody if client.stats.last_rtt is None]
    show.check("none is unanswered", [f"{name} has no answer" for name in unanswered])


async def stop(stage: Stage, show: Show) -> None:
    """Every client says STOP; the gateway ends its session at once and closes with NORMAL."""
    await asyncio.gather(*(player.client.close() for player in stage.everybody))
    left = sum(_sessions(stage, state) for state in ("INITED", "NORMAL"))
    show.say(f"{len(stage.everybody)} clients left with STOP; {left} sessions remain")
    show.check("no session is left", checks.equal("sessions", 0, left))
    ends = [violation for player in stage.everybody for violation in checks.ended_normally(player.tape)]
    show.check("the gateway closed every connection with NORMAL", ends)


def _sessions(stage: Stage, state: str) -> int:
    total = 0
    for gateway in (stage.gateway, stage.small):
        sessions = gateway.stats()["sessions"]
        assert isinstance(sessions, dict)
        total += sessions[state]
    return total


def _push(player: Player, hint: pb.NotifySyncHint.ValueType, **fields: object) -> pb.UnicastPushRequest:
    """Make a push to the player's session, unless ``fields`` say otherwise."""
    push = pb.UnicastPushRequest(
        target_type="session",
        target_id=player.client.session_id,
        msg_type="mail",
        title="from a friend",
        content="see you at the gate",
        sync_hint=hint,
    )
    push.MergeFrom(pb.UnicastPushRequest(**fields))  # type: ignore[arg-type]
    return push
