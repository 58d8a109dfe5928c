"""What is in deploy/observability reads what a gateway exports: metric by metric and label by label."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser as promql
import pytest
import yaml

from quicgw_fast.observe.exposition import Exported, exported
from tests.reference.metrics import EVERYTHING
from tests.support.fixtures import empty_server, shared_server, used_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.directory_server import DirectoryServer
    from tests.support.world import WorldMaker

__all__ = ["empty_server", "shared_server", "used_server"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/observability"
TARGET = {"instance", "job", "le"}
"""Labels that Prometheus adds, and that of a histogram's classes."""
WORKING = {"for", "alert", "expr", "labels", "annotations"}


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Where each is, and it."""
    for file in ("recording.yml", "alerts.yml"):
        for rule in rules(file):
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def selectors(node: Any) -> Iterator[Any]:
    """All metrics that an expression reads."""
    if isinstance(node, promql.VectorSelector):
        yield node
        return
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        if getattr(node, name, None) is not None:
            yield from selectors(getattr(node, name))
    for argument in getattr(node, "args", None) or ():
        yield from selectors(argument)


def groupings(node: Any) -> Iterator[set[str]]:
    """The labels by which something is put together."""
    if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
        yield set(node.modifier.labels)
    for name in ("lhs", "rhs", "expr"):
        if getattr(node, name, None) is not None:
            yield from groupings(getattr(node, name))
    for argument in getattr(node, "args", None) or ():
        yield from groupings(argument)


def series(about: Exported) -> list[str]:
    """The names of its series."""
    return (
        [f"{about.name}_{part}" for part in ("bucket", "sum", "count")] if about.type == "histogram" else [about.name]
    )


async def test_every_expression_reads_what_a_gateway_exports(
    make_world: WorldMaker, used_server: DirectoryServer
) -> None:
    world = await make_world(**{**EVERYTHING, "cluster": {"url": used_server.url}})
    await world.online("alice")
    known = {name: about for family in world.gateway.metrics for about in [exported(family)] for name in series(about)}
    recorded = {rule["record"] for rule in rules("recording.yml")}
    wrong = []
    for where, text in expressions():
        parsed = promql.parse(text.replace("$instance", ".*"))
        read = list(selectors(parsed))
        assert read, where
        labels = set(TARGET)
        for selector in read:
            about = known.get(selector.name)
            if about is None:
                wrong += [] if selector.name in recorded else [f"{where}: nothing exports {selector.name}"]
                continue
            labels |= set(about.labels)
            for matcher in selector.matchers.matchers:
                if matcher.name in TARGET:
                    continue
                if matcher.name not in about.labels:
                    wrong.append(f"{where}: {selector.name} has no label {matcher.name}")
                    continue
                values = {key[about.labels.index(matcher.name)] for key in about.keys}
                if not any(re.fullmatch(matcher.value, value) for value in values):
                    wrong.append(f"{where}: {matcher.name} of {selector.name} is never {matcher.value}")
        wrong += [f"{where}: by {by - labels}, which nothing there has" for by in groupings(parsed) if by - labels]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("rule", rules("alerts.yml"), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert set(rule) <= WORKING
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, anchor


def test_what_is_recorded_is_read_and_each_alert_once() -> None:
    texts = [text for _, text in expressions()]
    for rule in rules("recording.yml"):
        assert sum(rule["record"] in text for text in texts) >= 1 or rule["record"].endswith("p50_5m")
    names = [rule["alert"] for rule in rules("alerts.yml")]
    assert len(names) == len(set(names))


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells
