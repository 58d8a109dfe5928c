"""What happens at the door is counted, and logged once a minute for each cause and address."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.codes import HandshakeFault
from quicgw_fast.observe import Door, Metrics
from quicgw_fast.observe.door import register_listener

if TYPE_CHECKING:
    import pytest


def test_every_cause_has_its_counter_and_its_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 100.0
    metrics = Metrics()
    door = Door(metrics, lambda: now)
    for fault in HandshakeFault:
        for port in range(5):
            door.handshake_failed(fault, f"127.0.0.1:{port + 1}", "why")
        door.handshake_failed(fault, "127.0.0.2:1", "why")
        assert metrics.count("handshakes_failed", fault.value) == 6
    lines = [record.__dict__ for record in caplog.records]
    assert [(line["peer"], line["cause"]) for line in lines] == [
        (peer, fault.value) for fault in HandshakeFault for peer in ("127.0.0.1:1", "127.0.0.2:1")
    ]
    assert {line["levelname"] for line in lines if line["cause"] == "left"} == {"INFO"}
    assert {line["levelname"] for line in lines if line["cause"] != "left"} == {"WARNING"}
    caplog.clear()
    now = 161.0
    door.flush(now)
    assert [record.__dict__["count"] for record in caplog.records] == [4] * len(HandshakeFault)


def test_refusals_and_throttled_peers(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    door = Door(metrics, lambda: 1.0)
    for number in range(300):
        door.connection_refused(f"127.0.{number // 250}.{number % 250}:9", "OVERLOADED: the gateway is full")
    door.connection_refused("127.0.0.1:9", "DRAINING: no new connections")
    door.peer_throttled("127.0.0.1:9")
    assert (metrics.count("connections_refused"), metrics.count("peers_throttled")) == (301, 1)
    assert [record.getMessage() for record in caplog.records] == ["connection refused"] * 2 + ["peer throttled"]
    assert caplog.records[0].__dict__["reason"] == "OVERLOADED: the gateway is full"


@dataclass
class Counters:
    """What a listener counts itself."""

    knocks: int = field(default=0, metadata={"help": "Who knocked"})
    opened: int = field(default=0, metadata={"help": "Who was let in"})


@dataclass
class Listener:
    """The numbers of a listener."""

    connections: int = 0
    half_open: int = 0
    unacknowledged: int = 0
    unacknowledged_limit: int = 9000
    unacknowledged_most: int = 600
    high_water: int = 500
    given_up: int = 0
    counters: Counters = field(default_factory=Counters)


def test_the_numbers_of_a_listener_are_read_when_somebody_asks() -> None:
    metrics, listener = Metrics(), Listener()
    register_listener(metrics, listener, largest_step=100)
    listener.counters = Counters(knocks=3, opened=2)  # one that keeps them elsewhere makes them anew
    listener.connections, listener.half_open, listener.unacknowledged, listener.given_up = 5, 6, 700, 8
    read = {family.name: sample.value for family in metrics for sample in family.read()}
    assert read.pop("connections_open") == 5
    assert (read.pop("transport_half_open"), read.pop("transport_unacknowledged")) == (6, 700)
    assert read.pop("transport_given_up") == 8
    buffered = [read.pop(name) for name in ("buffered", "buffered_limit", "buffered_most", "buffered_most_limit")]
    assert buffered == [700, 9000, 600, 600]
    assert read == {"transport_knocks": 3, "transport_opened": 2}
    assert "Who knocked" in {family.help for family in metrics}
