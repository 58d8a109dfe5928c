"""Load on a gateway that is upgraded again and again, with every number of every session looked at.

It is open: requests and pushes come at their rate, whatever happens. Some clients are the SDK's, whose calls all have
to be answered; the others know the protocol and no more, acknowledge, come back with what they have, and look at every
number. To those notifies are pushed, from outside and bound around each reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

import quicgw_fast.client as sdk
from quicgw_fast.client import Reconnect
from quicgw_fast.proto.client_pb2 import PUSH_ERROR
from tests.support import wire
from tests.support.chaos_client import ChaosClient, Habits
from tests.support.checker import Ledger, compare, lost
from tests.support.raw_upstream import answer
from tests.upgrading.generations import WITHIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.proto import service_pb2 as pb
    from quicgw_fast.proto.client_pb2 import ServerPush
    from tests.upgrading.generations import Generations

CUT_OFF = grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE
AWAY = Reconnect(base=0.05, cap=0.2)


@dataclass
class Load:
    """How much, and what became of it."""

    sdk_clients: int = 4
    watched: int = 3
    rate: float = 100.0
    """Requests a second, of all clients together; half as many notifies are pushed."""
    service_time: float = 0.02
    """Seconds that the service takes."""

    calls: Counter[str] = field(default_factory=Counter)
    """Of the SDK, by how they ended."""
    ran: Counter[bytes] = field(default_factory=Counter)
    """How often the service saw each request."""
    codes: Counter[int] = field(default_factory=Counter)
    """Of the replies that the others got."""
    problems: list[str] = field(default_factory=list)
    """What is wrong with what the others got, or were pushed."""
    resets: int = 0
    repeated: int = 0
    """Pushes that were cut off, as their sender called the old process when that closed its port, and made again."""
    longest: float = 0.0
    """Seconds from a request to its reply, at most."""

    def told(self) -> str:
        """Return a line for people."""
        calls = ", ".join(f"{count} {how}" for how, count in sorted(self.calls.items()))
        return (
            f"calls of the SDK: {calls}; replies to the others: {dict(self.codes)}; longest {self.longest:.2f} s; "
            f"resets {self.resets}; pushes made again {self.repeated}; problems {self.problems[:5]}"
        )

    @contextlib.asynccontextmanager
    async def on(self, gateway: Generations) -> AsyncIterator[None]:
        """Put it on a gateway while the context lasts; then see what became of it."""
        over = asyncio.Event()
        gateway.service.on("echo", lambda request: self._served(gateway, request))
        self._bound: dict[str, Ledger] = {}
        async with contextlib.AsyncExitStack() as stack:
            each = self.rate / (self.sdk_clients + self.watched)
            tasks = [asyncio.create_task(self._sdk(gateway, number, each, over)) for number in range(self.sdk_clients)]
            clients = [
                await stack.enter_async_context(ChaosClient(f"watched-{number}", gateway.quic, habits=Habits()))
                for number in range(self.watched)
            ]
            for client in clients:
                self._bound[client.openid] = Ledger(ordered=False)
                await client.login(WITHIN)
                tasks.append(asyncio.create_task(self._asking(client, each, over)))
                tasks.append(asyncio.create_task(self._pushing(gateway, client, each / 2, over)))
            try:
                yield
            finally:
                over.set()
                await asyncio.gather(*tasks)

    async def _served(self, gateway: Generations, request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        self.ran[request.data] += 1
        bound = self._bound.get(request.openid)
        for hint, word in () if bound is None else ((1, "before"), (2, "after")):
            assert bound is not None
            await self._push(gateway, bound, request.openid, f"{word} {request.data.decode()}", hint, request)
        await asyncio.sleep(self.service_time)
        return answer(request, data=request.data)

    async def _push(
        self,
        gateway: Generations,
        ledger: Ledger,
        openid: str,
        push_id: str,
        hint: int = 0,
        request: pb.UpstreamRequest | None = None,
    ) -> None:
        ledger.sending(push_id)
        bind = 0 if request is None else request.client_seq_id
        try:
            reply = await gateway.pusher.push(openid, data=push_id.encode(), hint=hint, bind=bind)
        except grpc.aio.AioRpcError as error:
            assert error.code() in CUT_OFF, error
            self.repeated += 1  # it was not taken: if it was, it comes twice now, which is a problem
            reply = await gateway.pusher.push(openid, data=push_id.encode(), hint=hint, bind=bind)
        ledger.outcome(push_id, reply.success, reply.error_code)
        if not reply.success:
            self.problems.append(f"{push_id} was refused: {reply.error_code} {reply.message}")

    async def _sdk(self, gateway: Generations, number: int, rate: float, over: asyncio.Event) -> None:
        address = "{}:{}".format(*gateway.quic)
        async with sdk.connect(address, openid=f"sdk-{number}", insecure=True, reconnect=AWAY) as client:
            calls = [
                asyncio.create_task(self._call(client, f"sdk-{number}-{tick}".encode()))
                async for tick in ticks(rate, over)
            ]
            await asyncio.gather(*calls)

    async def _call(self, client: sdk.Client, data: bytes) -> None:
        began = time.monotonic()
        try:
            reply = await client.call("echo", data=data, timeout=WITHIN)
            self.calls["answered" if reply.data == data else "answered wrongly"] += 1
        except sdk.QuicgwClientError as error:
            self.calls[type(error).__name__] += 1
        self.longest = max(self.longest, time.monotonic() - began)

    async def _asking(self, client: ChaosClient, rate: float, over: asyncio.Event) -> None:
        asked = [client.request("echo", f"{client.openid}-{tick}".encode()) async for tick in ticks(rate, over)]
        for reply in await asyncio.gather(*asked):
            self.codes[reply_code(reply)] += 1
        self.resets += len(client.history.resets)
        bound = self._bound[client.openid]
        self.problems += [*compare(client.history, bound), *lost(client.history, bound)]

    async def _pushing(self, gateway: Generations, client: ChaosClient, rate: float, over: asyncio.Event) -> None:
        ledger = Ledger()
        async for tick in ticks(rate, over):
            await self._push(gateway, ledger, client.openid, f"{client.openid} p{tick}")
        if ledger.accepted:
            await client.received(list(ledger.order)[-1], WITHIN)
        self.problems += [*compare(client.history, ledger), *lost(client.history, ledger)]


def reply_code(push: ServerPush | None) -> int:
    """0 after a reset, else the code of a response or of an error."""
    if push is None:
        return 0
    return wire.error(push).error_code if push.type == PUSH_ERROR else wire.business(push).code


async def ticks(rate: float, over: asyncio.Event) -> AsyncIterator[int]:
    """Give a number whenever it is time for the next one."""
    begun, number = time.monotonic(), 0
    while not over.is_set():
        number += 1
        yield number
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), max(0.0, begun + number / rate - time.monotonic()))
