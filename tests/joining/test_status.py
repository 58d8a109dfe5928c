"""What operators see of a cluster: ``GET /cluster`` and ``quicgw cluster status``."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from quicgw_fast.cli.asking import AdminPages
from tests.cli.process import quicgw

if TYPE_CHECKING:
    from tests.joining.nodes import Nodes


async def test_every_node_is_told_by_any(nodes: Nodes) -> None:
    await nodes.online(0, "alice")
    for gateway in nodes.gateways:
        done = await asyncio.to_thread(quicgw, "cluster", "status", "--admin", gateway.addresses.admin, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        by_name = {node["name"].partition(".")[0]: node for node in told["nodes"]}
        assert sorted(by_name) == ["node-0", "node-1"]
        assert [by_name[name]["sessions"] for name in ("node-0", "node-1")] == [1, 0]
        assert {node["state"] for node in told["nodes"]} == {"serving"}
        assert {node["directory"] for node in told["nodes"]} == {"up"}
        assert told["node"] in {node["name"] for node in told["nodes"]}
    done = await asyncio.to_thread(quicgw, "cluster", "status", "--admin", nodes.gateways[0].addresses.admin)
    assert done.stdout.splitlines()[0].split() == [
        *("NODE", "ADDRESS", "STATE", "VERSION", "UP", "SESSIONS", "AWAY", "LEASE", "LATENCY", "DIRECTORY"),
    ]  # fmt: skip
    assert done.stdout.splitlines()[-1] == "2 nodes"


async def test_a_node_that_stopped_is_none_any_more(nodes: Nodes) -> None:
    admin = nodes.gateways[0].addresses.admin
    await nodes.gateways[1].stop()
    status, told = await asyncio.to_thread(AdminPages(admin, None, 20.0).ask, "GET", "/cluster")
    assert status == 200
    assert [node["name"].partition(".")[0] for node in told["nodes"]] == ["node-0"]
