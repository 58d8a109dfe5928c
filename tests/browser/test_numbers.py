"""Every number on the page is the one of /metrics: a real gateway, real clients, and a browser that looks."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import pytest_asyncio

from tests.browser.looking import settled
from tests.support import raw_client
from tests.support.gateway_process import GatewayProcess
from tests.support.pages import page as ask_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from playwright.async_api import Page

    from tests.browser.looking import Looking

    Metrics = dict[str, float]

LIMITS = "[limits]\nmessages_per_second = 1\nmessage_burst = 12\n"
POOL = '{pool="requests"}'


def metrics_of(text: str) -> Metrics:
    """The samples of the Prometheus text, by name and labels."""
    return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE)}


def total(name: str, *labels: str) -> Callable[[Metrics], float]:
    """The sum of all samples of a name that carry these labels."""

    def read(metrics: Metrics) -> float:
        found = [
            value
            for sample, value in metrics.items()
            if sample.partition("{")[0] == name and all(label in sample for label in labels)
        ]
        assert found, f"/metrics has no {name} {labels}"
        return sum(found)

    return read


detached = total("quicgw_sessions_detached")
STAGES: Final = {
    "decode": ("quicgw_request_stage_seconds", 'stage="decode"'),
    "reply": ("quicgw_request_stage_seconds", 'stage="reply"'),
    "flush": ("quicgw_request_stage_seconds", 'stage="flush"'),
    "queue": ("quicgw_queue_wait_seconds",),
    "upstream": ("quicgw_upstream_call_seconds",),
    "total": ("quicgw_request_time_seconds",),
}
EXACT: Final[dict[str, Callable[[Metrics], float]]] = {
    "total.requests": total("quicgw_requests_total"),
    "total.replies": total("quicgw_replies_total"),
    "total.notifies": total("quicgw_notifies_total"),
    "total.refused": total("quicgw_refused_total"),
    "sessions.attached": lambda metrics: total("quicgw_sessions")(metrics) - detached(metrics),
    "sessions.detached": detached,
    "queue.length": total(f"quicgw_processor_queue_length{POOL}".partition("{")[0], 'pool="requests"'),
    "queue.capacity": total("quicgw_processor_max_queue_size", 'pool="requests"'),
    "queue.busy": total("quicgw_processor_busy_workers", 'pool="requests"'),
    "queue.workers": total("quicgw_processor_max_workers", 'pool="requests"'),
    **{f"latency.{stage}.count": total(f"{name}_count", *labels) for stage, (name, *labels) in STAGES.items()},
}
"""What has to be the same to the last digit, once nothing happens any more."""
NEAR: Final[dict[str, tuple[Callable[[Metrics], float], float]]] = {
    "process.memory": (total("process_resident_memory_bytes"), 0.1),
    "process.descriptors": (total("process_open_fds"), 0.2),
}
"""What is another number at each look, and by which share it may differ."""
UNITS: Final = {
    "µs": 1e-6, "ms": 1e-3, "s": 1.0, "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "%": 0.01, "": 1.0,
}  # fmt: skip


def value_of(text: str) -> float:
    """A number as it stands on the page."""
    found = re.fullmatch(r"([\d.,]+)\s*(\S*)", text)
    assert found, text
    return float(found[1].replace(",", "")) * UNITS[found[2]]


async def shown(page: Page) -> dict[str, str]:
    """Every number on the page by its name; one of an instance has service and address behind it."""
    return dict(
        await page.eval_on_selector_all(
            "[data-number]",
            "(all) => all.map((one) => [[one.dataset.number, one.dataset.of].filter(Boolean).join(' '),"
            " one.textContent.trim()])",
        )
    )


@pytest_asyncio.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    """With clients that came, went, asked for much, and for too much."""
    limits = tmp_path / "limits.toml"
    limits.write_text(LIMITS)
    async with GatewayProcess.dev("--config", str(limits)) as gateway:
        clients = [await raw_client.connect(*gateway.ready.quic) for _ in range(3)]
        for number, client in enumerate(clients):
            await client.start(f"client-{number}")
            await client.hello()
            for _ in range(4):
                await client.call("echo", data=b"x")
            await client.call("before", params={"count": "2"})
            await asyncio.gather(*(client.call("echo", data=b"x") for _ in range(14 if number else 0)))
        await clients[0].close()
        async with asyncio.timeout(20):
            while detached(metrics_of((await ask_admin(gateway.ready.admin, "/metrics"))[1])) != 1:
                await asyncio.sleep(0.05)
        yield gateway
        for client in clients[1:]:
            await client.close()


async def test_every_number_is_that_of_the_metrics(looking: Looking, gateway: GatewayProcess) -> None:
    host, _, port = gateway.ready.admin.rpartition(":")
    page = await looking.open((host, int(port)))
    await settled(page)
    await page.get_by_role("button", name="Since start").click()
    seen, before = await until_they_agree(page, gateway)
    assert total("quicgw_refused_total")(before) >= 10, "nobody asked for too much"
    assert total("quicgw_notifies_total")(before) >= 6

    compared = set(EXACT)
    for name, (read, share) in NEAR.items():
        assert abs(value_of(seen[name]) - read(before)) <= read(before) * share, name
        compared.add(name)
    compared |= compare_refusals(seen, before)
    compared |= compare_times(seen, before)
    compared |= await compare_upstreams(seen, before, gateway)
    # These are of the last second, and /metrics has no such thing: the page's source has.
    of_the_moment = {"process.cpu", "process.loop_lag"}
    assert set(seen) - compared - of_the_moment == set(), "there is a number on the page that nothing vouches for"


async def until_they_agree(page: Page, gateway: GatewayProcess) -> tuple[dict[str, str], Metrics]:
    """Wait until the page has seen what happened last: it asks some pages every two seconds, and some every five.

    The gateway looks at its own process once in a second, so that a page of its first moments has zeros there.
    """
    for _ in range(100):
        metrics = metrics_of((await ask_admin(gateway.ready.admin, "/metrics"))[1])
        seen = await shown(page)
        other = {
            name: (seen[name], read(metrics)) for name, read in EXACT.items() if differs(seen[name], read(metrics))
        } | {name: seen[name] for name in NEAR if seen[name] == "–" or not value_of(seen[name])}
        if not other:
            return seen, metrics
        await asyncio.sleep(0.2)
    raise AssertionError(f"on the page and in /metrics: {other}")


def differs(text: str, value: float) -> bool:
    return text == "–" or value_of(text) != value


def compare_refusals(seen: dict[str, str], metrics: Metrics) -> set[str]:
    """Each rule that refused anything is there, with its number, and no other one."""
    refused = {}
    for sample, value in metrics.items():
        found = re.fullmatch(r'quicgw_refused_total\{moment="(.+)",rule="(.+)"\}', sample)
        if found and value:
            refused[f"refused.{found[1]}.{found[2]}"] = value
    assert {name: value_of(text) for name, text in seen.items() if name.startswith("refused.")} == refused
    return set(refused)


def compare_times(seen: dict[str, str], metrics: Metrics) -> set[str]:
    """Each percentile lies in the class of its histogram; the mean is sum by count."""
    names = set()
    for stage, (family, *labels) in STAGES.items():
        count, seconds = total(f"{family}_count", *labels)(metrics), total(f"{family}_sum", *labels)(metrics)
        assert abs(value_of(seen[f"latency.{stage}.mean"]) - seconds / count) <= seconds / count * 0.01
        names.add(f"latency.{stage}.mean")
        for percentile, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            name = f"latency.{stage}.{percentile}"
            low, high = class_of(metrics, family, labels, share)
            assert low * 0.99 <= value_of(seen[name]) <= high * 1.01, name
            names.add(name)
    return names


def class_of(metrics: Metrics, family: str, labels: list[str], share: float) -> tuple[float, float]:
    """The bounds between which so large a share of a histogram ends."""
    by_bound: dict[float, float] = {}
    for sample, value in metrics.items():
        bound = re.search(r'le="([^"]+)"', sample)
        if sample.startswith(f"{family}_bucket") and bound and all(label in sample for label in labels):
            edge = float(bound[1].replace("+Inf", "inf"))
            by_bound[edge] = by_bound.get(edge, 0.0) + value
    wanted, low = share * by_bound[float("inf")], 0.0
    for edge in sorted(by_bound):
        if by_bound[edge] >= wanted:
            return low, edge
        low = edge
    raise AssertionError(family)


async def compare_upstreams(seen: dict[str, str], metrics: Metrics, gateway: GatewayProcess) -> set[str]:
    """The calls of all instances of a service are those of its histogram, and each row is what /upstreams says."""
    import json

    told: list[dict[str, Any]] = json.loads((await ask_admin(gateway.ready.admin, "/upstreams"))[1])["upstreams"]
    names = set()
    for one in told:
        where = f"{one['service']} {one['address']}"
        assert value_of(seen[f"upstream.calls {where}"]) == one["calls"]
        assert value_of(seen[f"upstream.failures {where}"]) == one["failures"]
        assert value_of(seen[f"upstream.under_way {where}"]) == one["under_way"]
        for percentile in ("p50", "p99"):
            text = seen[f"upstream.{percentile} {where}"]
            assert text == "–" if not one["calls"] else abs(value_of(text) - one["latency"][percentile]) < 0.01
        names |= {f"upstream.{name} {where}" for name in ("calls", "failures", "under_way", "p50", "p99")}
    for service in ("hello", "business", "zone"):
        calls = sum(one["calls"] for one in told if one["service"] == service)
        assert calls == total("quicgw_upstream_call_seconds_count", f'service="{service}"')(metrics)
    return names


async def test_a_session_is_seen_with_what_it_said(looking: Looking, gateway: GatewayProcess) -> None:
    host, _, port = gateway.ready.admin.rpartition(":")
    page = await looking.open((host, int(port)), "/#/sessions")
    await page.get_by_text("1–3 of 3", exact=True).wait_for()
    await page.get_by_role("button", name="Detached").click()
    await page.get_by_text("1–1 of 1", exact=True).wait_for()
    await page.locator(".sessions a").click()
    panel = page.get_by_role("region", name="Session", exact=True)
    await panel.get_by_role("heading", name="client-0").wait_for()
    for told in ("start", "request 1", "reply 1 (request 1)", "notify", "close"):
        await panel.locator(".event .what", has_text=told).first.wait_for()
    await page.get_by_role("button", name="Attached").click()
    await page.locator(".sessions a").nth(1).click()
    await panel.get_by_role("heading", name="client-2").wait_for()
    await panel.locator(".outcome.bad", has_text="429").first.wait_for()


async def test_a_gateway_that_is_killed_is_missed(looking: Looking, gateway: GatewayProcess) -> None:
    host, _, port = gateway.ready.admin.rpartition(":")
    page = await looking.open((host, int(port)))
    await settled(page)
    await gateway.kill()
    await page.get_by_role("alert").filter(has_text="What you see is from").wait_for()
