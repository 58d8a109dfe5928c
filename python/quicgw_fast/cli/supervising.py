"""Several gateways behind one port, as ``quicgw serve`` and ``quicgw dev`` start them."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from quicgw_fast.cli.other_signals import OtherSignals
    from quicgw_fast.cli.service_manager import ServiceManager
    from quicgw_fast.config import Config
    from quicgw_fast.workers import Supervisor


async def supervise(
    config: Config,
    command: Sequence[str],
    others: OtherSignals,
    manager: ServiceManager,
    *,
    at_once: Callable[[], None] | None = None,
    ended_by: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
    served: Callable[[Supervisor], None] | None = None,
) -> None:
    """Run ``server.workers`` of a command until a signal; raises StartupError when one cannot start.

    ``at_once`` is called before a second signal ends the process, and ``served``, in a thread, when all workers
    listen, before that is announced.
    """
    import asyncio

    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.workers import Supervisor

    def kill() -> None:
        supervisor.kill()
        if at_once is not None:
            at_once()

    supervisor = Supervisor(config.server, command, config.server.workers, lambda: signals.end())
    with Signals(at_once=kill, numbers=ended_by) as signals:
        user_1 = partial(supervisor.signal, signal.SIGUSR1)
        hang_up = None if signal.SIGHUP in ended_by else partial(supervisor.signal, signal.SIGHUP)
        with others.following(hang_up=hang_up, user_1=user_1):
            async with manager.watching(), supervisor:
                if served is not None:
                    await asyncio.to_thread(served, supervisor)
                manager.ready(supervisor.ready_line)
                await announce(supervisor.ready_line)
                await signals.wait()
                manager.stopping()


def worker_command(verb: str, path: Path | None, flags: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What starts one worker: this command with what it was given."""
    given = [] if path is None else ["--config", str(path)]
    for name in ("quic", "grpc", "admin"):
        if (address := flags.get("server", {}).get(name)) is not None:
            given += [f"--{name}", address]
    if "log" in flags:
        given += ["--log-level", flags["log"]["level"]]
    fast = ["--fast"] if "backend" in flags else []
    return [sys.executable, "-m", "quicgw_fast", verb, *given, *fast]
