"""Two clients race for one openid at two nodes: one has it, the other is told SUPERSEDED, no number is left out."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from tests.joining.nodes import Nodes
from tests.support import wire
from tests.support.parts import Parts
from tests.support.push_log import ConnectionEndedError

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.proto import client_pb2 as pb
    from tests.support.directory_server import DirectoryServer
    from tests.support.raw_client import RawClient

ROUNDS = int(os.environ.get("ROUNDS", "6"))


class Racer:
    """One client in one round."""

    def __init__(self, client: RawClient) -> None:
        self.client = client

    @property
    def ended(self) -> CloseCode | None:
        """How, unless it has the session."""
        return None if self.client.closed is None else CloseCode(self.client.closed.code)

    async def run(self, openid: str, before: pb.StartResponse | None, last: int) -> None:
        """Come for the session that was there before, or for a fresh one, and use it."""
        named = ("", 0, "", "") if before is None else ("", last, before.connection_id, before.epoch)
        try:
            answer = await self.client.start(openid, *named)
            if answer.success:
                self.client.next_seq = answer.max_client_seq + 1
                if not answer.resumed:
                    await self.client.hello()
                for _ in range(5):
                    assert wire.business(await self.client.call("echo")).code == 200
            else:
                assert answer.error.error_message == "superseded", answer.error
                await self.client.wait_closed()
        except ConnectionEndedError:
            pass  # for what is asked below


@pytest.mark.timeout(0 if ROUNDS > 6 else 60)
async def test_one_of_two_has_it(certificate: tuple[Path, Path], directory: DirectoryServer) -> None:
    async with Nodes(Parts(), certificate, directory.url) as nodes:
        before, last = None, 0
        for turn in range(ROUNDS):
            racers = [Racer(await nodes.client(node)) for node in (turn % 2, 1 - turn % 2)]
            resume = turn % 3 > 0
            await asyncio.gather(*(racer.run("alice", before if resume else None, last) for racer in racers))
            await wire.until(lambda racers=racers: any(racer.ended is not None for racer in racers))
            assert [racer.ended for racer in racers if racer.ended is not None] == [CloseCode.SUPERSEDED]
            (winner,) = [racer.client for racer in racers if racer.ended is None]
            reply = await winner.call("echo")
            winner.assert_gap_free((last if resume else 0) + 1)
            before, last = winner.started, reply.seq_id
            winner.ack(last)
        echoes = [request for request in nodes.service.requests if request.action == "echo"]
    assert len({(request.session_id, request.client_seq_id) for request in echoes}) == len(echoes), "none ran twice"
