"""The registry as Prometheus reads it: names and units as they are usual, in both text forms."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from quicgw_fast.observe import Metrics, Unit
from quicgw_fast.observe.exposition import Exposition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    Parse = Callable[[str], Iterator[Metric]]

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


async def read(metrics: Metrics, accept: str = "") -> dict[tuple[str, ...], float]:
    """All samples by name and the values of their labels, in the order of the labels' names."""
    page, media = await Exposition(metrics, {"engine": "rust"}).render(accept)
    parse: Parse = parse_openmetrics if "openmetrics" in media else parse_text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(page.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", OPENMETRICS, "text/plain;version=0.0.4"])
async def test_names_have_unit_and_kind(metrics: Metrics, accept: str) -> None:
    metrics.counter("kittens", "Kittens").value += 2
    metrics.counter("milk", "Milk", Unit.BYTES).value += 5
    metrics.gauge("naps", "Naps", lambda: 3.5, Unit.SECONDS)
    metrics.gauge("asleep", "Whether", lambda: True, Unit.FLAG)
    metrics.counters("calls", "Calls", ("service", "end"), [("a", "well"), ("b", "ill")])["b", "ill"].value += 1
    found = await read(metrics, accept)
    assert found.pop(next(key for key in found if key[0] == "quicgw_build_info")) == 1.0
    assert found == {
        ("quicgw_kittens_total",): 2, ("quicgw_milk_bytes_total",): 5, ("quicgw_naps_seconds",): 3.5,
        ("quicgw_asleep",): 1, ("quicgw_calls_total", "well", "a"): 0, ("quicgw_calls_total", "ill", "b"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_a_distribution_is_a_histogram_whose_classes_add_up(metrics: Metrics, accept: str) -> None:
    took = metrics.duration("call", "Calls", (0.1, 1.0))
    for seconds in (0.05, 0.5, 0.6, 7.0):
        took.observe(seconds)
    again = metrics.distribution("again", "Sent again", (0, 10))
    again.observe(0)
    found = await read(metrics, accept)
    assert [found["quicgw_call_seconds_bucket", le] for le in ("0.1", "1.0", "+Inf")] == [1, 3, 4]
    assert found["quicgw_call_seconds_count",] == 4
    assert found["quicgw_call_seconds_sum",] == pytest.approx(8.15)
    assert found["quicgw_again_bucket", "0.0"] == found["quicgw_again_count",] == 1


async def test_what_the_process_takes_has_the_names_of_all_programs(metrics: Metrics) -> None:
    metrics.gauge("process_open_fds", "Descriptors", lambda: 7)
    metrics.gauge("memory_used", "Memory", lambda: 9, Unit.BYTES)
    metrics.gauge("config_read", "When", lambda: 1.0, Unit.SECONDS)
    metrics.gauge("processor_started", "Not of the process", lambda: 1)
    assert {name for name, *_ in await read(metrics)} == {
        "quicgw_build_info", "process_open_fds", "process_resident_memory_bytes",
        "quicgw_config_read_timestamp_seconds", "quicgw_processor_started",
    }  # fmt: skip


async def test_the_form_is_what_was_asked_for(metrics: Metrics) -> None:
    page, media = await Exposition(metrics, {}).render(OPENMETRICS)
    assert media.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")
    assert (await Exposition(metrics, {}).render("*/*"))[1].startswith("text/plain")


async def test_what_takes_long_to_read_does_not_hold_the_loop(metrics: Metrics) -> None:
    turns: list[int] = []

    def slow(number: int) -> float:
        time.sleep(0.003)
        turns.append(number)
        return 0.0

    for number in range(4):
        metrics.gauge(f"slow_{number}", "Takes its time", partial(slow, number))
    asked = asyncio.create_task(read(metrics))
    seen = set()
    while not asked.done():
        await asyncio.sleep(0)
        seen.add(len(turns))
    assert len(seen) >= 4, "others had their turn between them"
