"""What must be true of every client once everything is calm, whatever happened before."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.checker import compare

if TYPE_CHECKING:
    from tests.chaos_cluster.load import Load, Player

LATE = 0.3
"""Seconds for which a request may be on its way to the service."""


def judge(load: Load) -> list[str]:
    """Everything that is wrong."""
    problems = []
    for player in load.players.values():
        ledgers = (player.plain, *player.bound.values())
        problems += player.client.history.problems
        for ledger in ledgers:
            seen = len(player.client.history.problems)
            problems += compare(player.client.history, ledger)[seen:]
        problems += [*_to_all(load, player), *_replies(player), *_bound(player), *_executed(player), *_holders(player)]
    return problems


def told(load: Load) -> str:
    """What clients lived through, for people."""
    clients = [player.client for player in load.players.values()]
    resets = Counter(pb.ResetReason.Name(c.reason) for client in clients for c in client.history.resets)  # type: ignore[arg-type]
    closes = Counter(close.reason.partition(":")[0] for client in clients for close in client.counts.closes)
    codes = Counter(
        f"{wire.error(reply).error_code} {wire.error(reply).detail[:60]}"
        for player in load.players.values()
        for reply in _answers(player).values()
        if reply.type == pb.PUSH_ERROR
    )
    resumes = sum(chapter.resumes for client in clients for chapter in client.history.chapters)
    sums = {
        "requests": sum(len(player.asked) for player in load.players.values()),
        "pushes": sum(len(player.plain.order) for player in load.players.values()),
        "connections": sum(client.counts.connections for client in clients),
        "resumes": resumes,
        "to all": sum(len(ledger.order) for ledger in load.to_all.values()),
        "of those missed": sum(_missed(load, player) for player in load.players.values()),
    }
    found = {**sums, "resets": dict(resets), "closes": dict(closes), "errors": dict(codes)}
    return ", ".join(f"{name}: {value}" for name, value in {**found, "refused": dict(load.refusals)}.items())


def _answers(player: Player) -> dict[str, pb.ServerPush]:
    """The replies to requests, by what was asked; without those whose session was reset."""
    done = {data: asked.result() for data, asked in player.asked.items() if asked.done()}
    return {data: reply for data, reply in done.items() if reply is not None}


def _to_all(load: Load, player: Player) -> list[str]:
    """Only what reached everybody has an order: for the rest some node was not there."""
    problems = []
    for ledger in load.to_all.values():
        came = [push_id for _, push_id in player.client.history.notifies if push_id in ledger.order]
        problems += [f"{player.openid}: {push_id} came {n} times" for push_id, n in Counter(came).items() if n > 1]
        numbers = [ledger.order[push_id] for push_id in came if push_id in ledger.accepted]
        if numbers != sorted(numbers):
            problems.append(f"{player.openid}: what is for all came in the order {came}")
    return problems


def _missed(load: Load, player: Player) -> int:
    came = {push_id for _, push_id in player.client.history.notifies}
    return sum(len(ledger.order.keys() - came) for ledger in load.to_all.values())


def _replies(player: Player) -> list[str]:
    problems = []
    resets = len(player.client.history.resets)
    unanswered = sum(not asked.done() or asked.result() is None for asked in player.asked.values())
    if unanswered and not resets:
        problems.append(f"{player.openid}: {unanswered} requests without a reply, and no reset")
    for data, reply in _answers(player).items():
        if reply.type == pb.PUSH_BUSINESS_DATA and wire.business(reply).data.decode() != data:
            problems.append(f"{player.openid}: {data} was answered {wire.business(reply).data!r}")
    return problems


def _bound(player: Player) -> list[str]:
    """What was bound to an answer is beside it, unless that is an error: its gateway may not have known of it."""
    problems = []
    entries = [entry for chapter in player.client.history.chapters for entry in chapter.entries]
    place = {entry.msg_id: index for index, entry in enumerate(entries) if entry.msg_id}
    for data, reply in _answers(player).items():
        for word, step in (("before", -1), ("after", 1)):
            push_id = f"{word} {data}"
            if push_id not in player.bound[word].accepted or reply.type != pb.PUSH_BUSINESS_DATA:
                continue
            index = place[reply.msg_id] + step
            beside = entries[index] if 0 <= index < len(entries) else None
            if beside is None or beside.msg_id or beside.push_id != push_id:
                problems.append(f"{player.openid}: {push_id!r} is not beside its reply, but {beside}")
    return problems


def _executed(player: Player) -> list[str]:
    ran = Counter(arrival.data for arrival in player.arrivals)
    return [f"{player.openid}: {data} ran {times} times" for data, times in ran.items() if times > 1]


def _holders(player: Player) -> list[str]:
    """Once a later session of an openid has acted, an earlier one never does.

    But for a call that its node had given to the network, perhaps, when it was stopped.
    """
    began: dict[str, float] = {}
    for arrival in player.arrivals:
        began.setdefault(arrival.session_id, arrival.at)
    followed = dict(zip(began, list(began.values())[1:], strict=False))
    late = [each for each in player.arrivals if each.at > followed.get(each.session_id, math.inf) + LATE]
    count = Counter(arrival.session_id for arrival in late)
    return [
        f"{player.openid}: {arrival} is of a session that was over" for arrival in late if count[arrival.session_id] > 1
    ]
