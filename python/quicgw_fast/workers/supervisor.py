"""Who opens the ports, starts the workers behind them, and starts again those that end.

The supervisor serves nobody and holds nothing of theirs but the sockets: so a worker's place among them stays its own
while its successor starts, and the datagrams that come meanwhile wait in the kernel. It stops its workers by closing
the pipes that it shares with them, which the system does for it when it is killed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from quicgw_fast.addresses import join_address
from quicgw_fast.clock import SystemClock
from quicgw_fast.config import split_address
from quicgw_fast.control import reserved_port
from quicgw_fast.errors import StartupError
from quicgw_fast.transport import shared_sockets
from quicgw_fast.workers.seat import Seat
from quicgw_fast.workers.worker import RestartDelays, Worker

if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable, Sequence

    from quicgw_fast.config import ServerConfig

NOT_THEIRS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables by which a service manager is told of the supervisor, which alone speaks to it."""

_log = logging.getLogger("quicgw.workers")


class Supervisor:
    """``start()``, then ``ready_line``; at the end ``stop()``."""

    def __init__(
        self,
        server: ServerConfig,
        command: Sequence[str],
        number: int,
        end: Callable[[], None],
        *,
        delays: RestartDelays | None = None,
    ) -> None:
        """``command`` starts one worker when ``--seat`` is added to it; ``end`` asks whoever runs this to stop it."""
        self._server = server
        self._command = command
        self._number = number
        self._end = end
        self._delays = delays or RestartDelays()
        self._sockets: list[socket.socket] = []
        self._workers: list[Worker] = []
        self._keeping: list[asyncio.Task[None]] = []
        self.ready_line = ""
        """What is printed once all workers serve (protocol §7), with the admin address of the first."""

    @property
    def workers(self) -> Sequence[Worker]:
        """All of them, by their index."""
        return self._workers

    async def start(self) -> None:
        """Open the ports and start all workers; StartupError when one cannot start, and then none is left."""
        clock = SystemClock()
        environment = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
        try:
            quic, grpc = await self._open()
            for index, sock in enumerate(self._sockets[: self._number]):
                seat = Seat(index, self._number, sock.fileno(), grpc)
                self._workers.append(
                    Worker(self._command, environment, seat, clock, self._delays, came=self._came, end=self._end)
                )
            up = await asyncio.gather(*(worker.start() for worker in self._workers))
            if not all(up):
                raise StartupError(f"worker {up.index(False)} could not start, as it says above; none is left running")
        except BaseException:
            await self.stop()
            raise
        self._keeping = [asyncio.create_task(worker.keep(), name=f"worker {worker.index}") for worker in self._workers]
        self.ready_line = f"ready quic={quic} grpc={grpc} admin={self._workers[0].admin}"
        _log.info("workers ready", extra={"workers": self._number, "admin": [worker.admin for worker in self._workers]})

    async def stop(self) -> None:
        """Have all workers drain and stop, at the same time, and close the ports."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        statuses = await asyncio.gather(*(worker.stop() for worker in self._workers))
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        _log.info("workers stopped", extra={"statuses": statuses})

    def signal(self, number: signal.Signals) -> None:
        """Send a signal on to all workers: to reload, or to log their numbers."""
        for worker in self._workers:
            worker.signal(number)

    def kill(self) -> None:
        """End all workers at once."""
        for worker in self._workers:
            worker.kill()

    def _came(self) -> None:
        """Say to all where each one's admin pages are, once all have some: with port 0 they move at each start."""
        addresses = [worker.admin for worker in self._workers]
        if all(addresses):
            ports = [split_address(address)[1] for address in addresses]
            for worker in self._workers:
                worker.tell_ports(ports)

    async def _open(self) -> tuple[str, str]:
        """Take both ports for all workers; return them as ``host:port``."""
        host, port = split_address(self._server.quic)
        self._sockets = await shared_sockets(host, port, self._number)
        quic = join_address(host, self._sockets[0].getsockname()[1])
        host, port = split_address(self._server.grpc)
        grpc = reserved_port(host, port, "gRPC", "set server.grpc")
        self._sockets.append(grpc)
        return quic, join_address(*grpc.getsockname()[:2])

    async def __aenter__(self) -> Supervisor:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
