"""The last scene: going over every tape, and what the numbers of the report are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quicgw_fast.codes import RequestType
from quicgw_fast.demo.tour import checks
from quicgw_fast.demo.tour.scenes import IN_FLIGHT
from quicgw_fast.demo.tour.tape import TapeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.demo.tour.show import Show
    from quicgw_fast.demo.tour.stage import Stage
    from quicgw_fast.demo.tour.tape import Tape

PERCENTILES = (50, 90, 99)
CLAIMS: tuple[tuple[str, Callable[[Tape], list[str]]], ...] = (
    ("the messages of every session are numbered 1, 2, 3 ... without a gap", checks.numbers),
    ("every request has exactly one reply", checks.one_reply_each),
    ("what a resume brought again is what was sent before", checks.same_again),
    ("the clients numbered their requests without a gap", checks.client_numbers),
)


async def audit(stage: Stage, show: Show) -> None:
    """Check everything that went over the wire, of all clients, from the first to the last message."""
    tapes = [player.tape for player in stage.everybody]
    count = sum(len(tape.received) for tape in tapes)
    show.say(f"{count} messages to {len(tapes)} clients, as they came over the wire")
    for claim, check in CLAIMS:
        show.check(claim, [violation for tape in tapes for violation in check(tape)])
    asked = sum(_asked(tape) for tape in tapes)
    show.check("the gateways counted as many requests", checks.equal("requests", asked, _counted(stage)))


def table(stage: Stage) -> list[tuple[str, str]]:
    """Return the report's rows: counts, throughput, latency."""
    tapes = [player.tape for player in stage.everybody]
    received = Counter(message.kind for tape in tapes for message in checks.once(tape))
    errors = Counter(message.code for tape in tapes for message in checks.once(tape) if message.kind is TapeKind.ERROR)
    beats = sum(message.kind is TapeKind.HEARTBEAT for tape in tapes for message in tape.received)
    rows = [
        ("clients", str(len(tapes))),
        ("requests", str(sum(_asked(tape) for tape in tapes))),
        ("replies", str(received[TapeKind.REPLY])),
        ("errors", ", ".join(f"{count} x {code}" for code, count in sorted(errors.items())) or "0"),
        ("notifies", str(received[TapeKind.NOTIFY])),
        ("heartbeats answered", str(beats)),
        ("connections resumed", str(sum(tape.links - 1 for tape in tapes if tape.links))),
    ]
    if stage.latencies:
        rows.append(("requests a second", f"{len(stage.latencies) / stage.load_seconds:.0f}"))
        rows.append(("in flight at a time", str(IN_FLIGHT * len(stage.players))))
        rows += [(f"latency p{share}", _ms(percentile(stage.latencies, share))) for share in PERCENTILES]
        rows.append(("latency max", _ms(max(stage.latencies))))
    return rows


def percentile(values: Sequence[float], share: int) -> float:
    """Return the smallest value that ``share`` percent of the values do not exceed (nearest rank)."""
    rank = -(-len(values) * share // 100)
    return sorted(values)[max(rank, 1) - 1]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _asked(tape: Tape) -> int:
    return len({sent.msg_id for sent in tape.sent if sent.type == RequestType.BUSINESS})


def _counted(stage: Stage) -> int:
    total = 0
    for gateway in (stage.gateway, stage.small):
        counters = gateway.stats()["counters"]
        assert isinstance(counters, dict)
        total += counters["requests"]
    return total
