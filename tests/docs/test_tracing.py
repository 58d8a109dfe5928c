"""docs/howto/tracing.md does what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quicgw_fast.config.models import SECTIONS
from tests.support import wire
from tests.support.collector import Collector, tree
from tests.support.gateway_process import GatewayProcess
from tests.support.howto import DOCS, Howto, shell
from tests.support.raw_upstream import RawUpstream
from tests.support.world import write_certificate

if TYPE_CHECKING:
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_the_page(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    async with Collector() as collector, RawUpstream() as upstream:
        replaced = {"127.0.0.1:9001": upstream.address, "127.0.0.1:4317": collector.address}
        page = Howto("howto/tracing.md", replaced)
        (tmp_path / "gateway.toml").write_text(page.fence("toml"))
        (call,) = page.commands()
        free = {f"QUICGW_SERVER__{name}": "127.0.0.1:0" for name in ("QUIC", "GRPC", "ADMIN")}
        async with GatewayProcess("serve", "--config", str(tmp_path / "gateway.toml"), environment=free) as gateway:
            host, port = gateway.ready.quic
            await shell(f"{call.strip()} --server {host}:{port} --timeout 20", tmp_path)

            def traced() -> bool:
                mine = [span for span in collector.spans if span.trace_id.hex() == TRACE]
                return "request" in [span.name for span in mine]

            await wire.until(traced, what="the trace is there")
        spans = [span for span in collector.spans if span.trace_id.hex() == TRACE]
        drawn = re.findall(r"^[├└]─ (\w+)", page.fence("text"), re.MULTILINE)
        assert tree(spans)["request"] == drawn


def test_it_names_every_setting() -> None:
    text = (DOCS / "howto/tracing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `tracing\.(\w+)`", text, re.MULTILINE)) == set(SECTIONS["tracing"].model_fields)
