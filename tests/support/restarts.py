"""A gateway that is restarted again and again under load, with every accepted request and every reply counted.

The load is open: clients send at their rate, whatever comes back. Some are the SDK's, one is a raw client that knows
nothing but the protocol. What a gateway accepted it says itself at its end; what was answered is counted where it
arrives, at the clients' wires. Both sums have to be the same: each accepted request has its reply, and none is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import quicgw_fast.client as sdk
from quicgw_fast.client import ClientObserver, Reconnect
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.transport import told_accepted, told_delay
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.raw_upstream import RawUpstream, echo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quicgw_fast.proto import service_pb2
    from tests.support.parts import Parts

SERVICE_TIME = 0.02
"""Seconds that the service takes for a request: with the number of workers that makes the capacity."""
AWAY = Reconnect(base=0.05, cap=0.2)
RAW = "raw"


@dataclass
class Plan:
    """How long, and how much."""

    restarts: int = 2
    serving: float = 1.0
    """Seconds under load between two restarts."""
    workers: int = 4
    load: float = 0.7
    """Of the capacity."""
    clients: int = 6
    """Of the SDK, beside the raw one."""
    spread: float = 0.3
    """Seconds over which clients come back."""

    @property
    def rate(self) -> float:
        """Requests a second, of all clients together."""
        return self.load * self.workers / SERVICE_TIME


@dataclass
class Life:
    """One gateway from start to end, as it tells it."""

    stopped: dict[str, Any]
    """Its last line: what it counted."""
    status: int
    drained_in: float
    """Seconds from the signal to the end of the process."""

    @property
    def accepted(self) -> int:
        """Requests that it accepted, hello included."""
        return int(self.stopped.get("requests", 0))

    @property
    def lost(self) -> int:
        """Messages that clients may not have, as it says; one that came and was not acknowledged in time is none."""
        return int(self.stopped.get("drain_undelivered", 0))


@dataclass
class Outcome:
    """What became of everything."""

    lives: list[Life] = field(default_factory=list)
    replies: int = 0
    """That arrived, refusals included."""
    sent: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """Of the SDK, by how they ended for the application."""
    holes: list[str] = field(default_factory=list)
    """What the raw client found wrong: an accepted request without its reply."""
    ran: Counter[bytes] = field(default_factory=Counter)
    """How often the service saw each request."""

    @property
    def accepted(self) -> int:
        """Requests that all gateways accepted."""
        return sum(life.accepted for life in self.lives)

    @property
    def lost(self) -> int:
        """Accepted requests without a reply."""
        return self.accepted - self.replies

    def told(self) -> str:
        """Return a line for people."""
        calls = ", ".join(f"{count} {how}" for how, count in sorted(self.calls.items()))
        longest = max(life.drained_in for life in self.lives)
        return (
            f"{len(self.lives)} gateways, {self.sent} requests sent, {self.accepted} accepted, {self.replies} replies, "
            f"{self.lost} lost; calls of the SDK: {calls}; longest drain {longest:.2f} s"
        )


class _Wire(ClientObserver):
    """Counts at the SDK's wire."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def connection_up(self, connection: int) -> None:
        pass

    def request_sent(self, connection: int, request: pb.ClientRequest) -> None:
        self._outcome.sent += request.type == pb.REQUEST_BUSINESS

    def push_received(self, connection: int, push: pb.ServerPush) -> None:
        self._outcome.replies += push.seq_id != 0 and push.msg_id != 0

    def connection_down(self, connection: int, code: int, reason: str, by_peer: bool) -> None:
        pass


class Restarts:
    """The clients, the service and the gateways, one after the other on the same port."""

    def __init__(self, parts: Parts, folder: Path, certificate: tuple[Path, Path], plan: Plan) -> None:
        self.outcome = Outcome()
        self._parts = parts
        self._folder = folder
        self._certificate = certificate
        self._plan = plan
        self._over = asyncio.Event()
        self._each = plan.rate / (plan.clients + 1)

    async def run(self) -> Outcome:
        """Do it, and return what became of everything."""
        plan = self._plan
        async with RawUpstream() as upstream:
            upstream.default = self._serve
            port = _free_port()
            tables = f"[processor]\nmax_workers = {plan.workers}\n[drain]\nspread = '{plan.spread}s'\n"
            config = write_config(self._folder, self._certificate, upstream.address, tables, port)
            gateway = await self._start(config)
            tasks = [asyncio.create_task(self._sdk(f"user-{number}", port)) for number in range(plan.clients)]
            tasks.append(asyncio.create_task(self._raw(port)))
            for number in range(plan.restarts):
                await asyncio.sleep(plan.serving)
                self.outcome.lives.append(await _stop(gateway))
                gateway = await self._start(config)
                assert number < plan.restarts
            await asyncio.sleep(plan.serving)
            self._over.set()
            await asyncio.gather(*tasks)
            self.outcome.lives.append(await _stop(gateway))
        return self.outcome

    async def _start(self, config: Path) -> GatewayProcess:
        gateway = GatewayProcess.serve(config, parts=self._parts)
        await gateway.start()
        return gateway

    async def _serve(self, request: service_pb2.UpstreamRequest) -> service_pb2.UpstreamResponse:
        if request.action != "hello":
            self.outcome.ran[request.data] += 1
            await asyncio.sleep(SERVICE_TIME)
        return await echo(request)

    async def _ticks(self) -> AsyncIterator[int]:
        """Give a number whenever it is time for the next request, whatever became of the others."""
        begun, number = time.monotonic(), 0
        while not self._over.is_set():
            number += 1
            yield number
            wait = begun + number / self._each - time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), max(0.0, wait))

    async def _sdk(self, openid: str, port: int) -> None:
        client = sdk.connect(
            f"127.0.0.1:{port}", openid=openid, insecure=True, reconnect=AWAY, observer=_Wire(self.outcome)
        )
        async with client:
            calls = [
                asyncio.create_task(self._call(client, f"{openid}-{number}".encode())) async for number in self._ticks()
            ]
            await asyncio.gather(*calls)

    async def _call(self, client: sdk.Client, data: bytes) -> None:
        try:
            reply = await client.call("echo", data=data, timeout=30.0)
            ended = "answered" if reply.data == data else "answered wrongly"
        except sdk.QuicgwClientError as error:
            ended = type(error).__name__
        self.outcome.calls[ended] += 1

    async def _raw(self, port: int) -> None:
        """Send on one connection after the other; what was accepted on each is told by its end."""
        ticks = self._ticks()
        while not self._over.is_set():
            try:
                client = await raw_client.connect("127.0.0.1", port, within=2.0)
            except (raw_client.HandshakeError, TimeoutError, OSError):
                await asyncio.sleep(0.1)
                continue
            async with client:
                await self._raw_connection(client, ticks)

    async def _raw_connection(self, client: raw_client.RawClient, ticks: AsyncIterator[int]) -> None:
        sent: list[int] = []
        acknowledging = asyncio.create_task(acknowledge(client))
        with contextlib.suppress(ConnectionError, TimeoutError, AssertionError):
            started = await client.start(RAW)
            if started.success:
                sent.append(client.next_seq)
                await client.hello()
                async for number in ticks:
                    if client.closed is not None:
                        break
                    sent.append(client.next_seq)
                    client.business("echo", data=f"{RAW}-{number}".encode())
                else:
                    await wire.until(lambda: len(answered(client)) >= len(sent), what="the last replies")
                    await asyncio.sleep(0.2)  # for the last acknowledgement
        acknowledging.cancel()
        got = answered(client)
        self.outcome.sent += len(sent)
        self.outcome.replies += len(got)
        reason = client.closed.reason if client.closed is not None else ""
        accepted = told_accepted(reason)
        if accepted is not None and len(got) != len([seq for seq in sent if seq <= accepted]):
            self.outcome.holes.append(f"{reason}: {len(got)} replies to {sent}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), told_delay(reason) or 0.0)


async def acknowledge(client: raw_client.RawClient) -> None:
    """Acknowledge what has come, soon and again and again."""
    acked = 0
    while client.closed is None:
        await asyncio.sleep(0.05)
        if len(client.log) > acked and client.log[-1].seq_id:
            acked = len(client.log)
            client.ack(client.log[-1].seq_id)


def answered(client: raw_client.RawClient) -> list[pb.ServerPush]:
    """The replies to requests that came."""
    return [push for push in client.log if push.seq_id and push.msg_id]


def _free_port() -> int:
    """A port that is free and stays so: no socket of a client gets one of those by itself."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
            port: int = free.getsockname()[1]
            return port


async def _stop(gateway: GatewayProcess) -> Life:
    begun = time.monotonic()
    gateway.terminate()
    status = await gateway.wait(within=40.0)
    took = time.monotonic() - begun
    lines = [json.loads(line) for line in gateway.errors.splitlines() if line.startswith("{")]
    (stopped,) = [line for line in lines if line["event"] == "gateway stopped"]
    return Life(stopped, status, took)
