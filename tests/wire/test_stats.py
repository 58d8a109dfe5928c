"""Every number that /stats shows is a sample of the registry, under the keys that operators know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.observe.metrics import MetricKind
from quicgw_fast.observe.stats import ALSO, place
from quicgw_fast.overload import Moment
from quicgw_fast.session.states import SessionState
from quicgw_fast.transport.seam import ListenerCounters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.world import WorldMaker

PROCESSOR = {
    *("max_workers", "max_queue_size", "queue_length", "queue_places", "started", "busy_workers"),
    *("submitted", "rejected", "completed", "skipped", "cancelled", "late"),
}
FATES = {"accepted", "delivered", "lost", "open"}
KEYS = {
    "transport": {"half_open", "unacknowledged", "given_up", *ListenerCounters.__slots__},  # type: ignore[attr-defined]
    "sessions": {SessionState.INITED.name, SessionState.NORMAL.name, "detached", "remembered"},
    "request_memory": {"used", "limit", "refused"},
    "accounts": {"responses", "notifies"},
    "processor": PROCESSOR,
    "logins": {*PROCESSOR, "waiting_behind", "late_behind", "by_token"},
    "upstream": {"max_concurrency", "under_way", "instances"},
    "refused": {moment.value for moment in Moment},
    "would_reject": {moment.value for moment in Moment},
    "overload": {"near", "warnings"},
    "closes": {"gateway", "client"},
    "buffered": {"used", "limit", "most", "most_limit"},
}
NUMBERS = {"uptime", "connections", "retained_bytes", "log_lines_dropped"}


def leaves(stats: dict[str, Any], *path: str) -> Iterator[tuple[str, ...]]:
    """The ways to all values."""
    for key, value in stats.items():
        yield from leaves(value, *path, key) if isinstance(value, dict) else [(*path, key)]


async def test_every_number_is_a_sample_and_every_sample_is_there(make_world: WorldMaker) -> None:
    world = await make_world(offline={"store": "memory"})
    await world.online("alice")
    families = list(world.gateway._metrics)
    samples = {
        place(family, sample.labels)
        for family in families
        for sample in family.read()
        if family.kind in (MetricKind.COUNTER, MetricKind.GAUGE)
    }
    stats = world.gateway.stats()
    for distribution in [*stats.pop("durations").values(), *stats.pop("distributions").values()]:
        assert sum(distribution["classes"].values()) == distribution["count"]
    texts = {
        ("engine",),
        ("upstream", "instances"),
        *(("makers", part) for part in ("engine", "transport", "upstream")),
    }
    assert set(leaves(stats)) == {*texts, *samples, *ALSO.values()}


async def test_every_family_says_what_it_is(make_world: WorldMaker) -> None:
    world = await make_world(offline={"store": "memory"})
    families = list(world.gateway._metrics)
    assert len(families) > 70
    assert len({family.help for family in families}) == len(families), "no two say the same"
    for family in families:
        assert len(family.help) > 8, family.name
        assert not family.help.startswith(("Of these", "There")), f"{family.name}: its help stands alone"
        assert [sample.labels for sample in family.read()] == family.keys, family.name
        assert all(len(key) == len(family.labels) for key in family.keys), family.name


async def test_the_store_tells_what_it_has(make_world: WorldMaker) -> None:
    world = await make_world(offline={"store": "memory"})
    assert (await world.pusher.push("away", data=b"for later")).success
    shown = world.gateway.stats()["offline"]
    assert 128 < shown.pop("size") < 1024
    assert shown == {"messages": 1, "stored": 1, "refused": 0, "expired": 0, "superseded": 0, "deleted": 0}
    world = await make_world()
    assert "offline" not in world.gateway.stats()


async def test_the_keys_are_those_that_operators_know(make_world: WorldMaker) -> None:
    world = await make_world()
    stats = world.gateway.stats()
    assert set(stats) - {"durations", "distributions", "gauges"} == {"engine", "makers", "counters", *KEYS, *NUMBERS}
    for section, keys in KEYS.items():
        assert set(stats[section]) == keys, section
    assert set(stats["accounts"]["responses"]) == FATES
    assert set(stats["accounts"]["notifies"]) == {*FATES, "stored"}
    for by in ("gateway", "client"):
        assert set(stats["closes"][by]) == {*(code.name for code in CloseCode), "OTHER"}
    assert set(stats["upstream"]["under_way"]) == {"hello", "business", "zone"}
    assert stats["request_memory"]["refused"] == stats["refused"]["task"]["request-memory"]
    assert {"handshakes_failed_alpn", "connections_refused", "requests", "replies"} <= set(stats["counters"])
    assert stats["processor"]["started"] is True
