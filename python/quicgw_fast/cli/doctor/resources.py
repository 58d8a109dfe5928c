"""What the system lets one process take: open files and memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.result import CheckResult, fine, warning
from quicgw_fast.config.values import write_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config import Config

FILES, MEMORY = "open files", "memory"
SPARE_FILES = 512
"""For the admin pages (128), connections of services that push, libraries and files."""
BARE = 96 << 20
"""Bytes of a gateway without clients."""
_PER_CORE = 4
"""Workers, where the configuration leaves it to the gateway."""


def open_files(config: Config, hard_limit: int | None) -> Iterator[CheckResult]:
    """Compare the hard limit, to which a start raises the soft one, with what a busy gateway opens.

    Clients share one socket, however many ``limits.max_connections`` lets in. A call that waits may take a connection.
    """
    if hard_limit is None:
        yield fine(FILES, "no limit is known here")
        return
    pools = config.processor
    own = _PER_CORE * (os.cpu_count() or 1)
    workers = pools.max_workers or own
    needed = SPARE_FILES + workers + (pools.max_logins or workers)
    clients = f"{config.limits.max_connections} clients share one socket"
    if hard_limit >= needed:
        yield fine(FILES, f"{hard_limit} allowed, {needed} needed; {clients}")
        return
    remedy = f"ulimit -Hn {max(needed, 65536)}; of systemd: LimitNOFILE=65536"
    yield warning(FILES, f"{hard_limit} allowed, up to {needed} needed by {workers} workers", remedy)


def memory(config: Config, allowed: int | None, machine: int | None) -> Iterator[CheckResult]:
    """Compare what sessions, requests and connections may take with what the group or the machine has (bytes)."""
    limits = [limit for limit in (config.limits.memory or None, allowed, machine) if limit is not None]
    kept = config.session.memory
    requests, arriving = config.limits.request_memory, config.limits.arriving_memory
    # Once for the sessions, once for what the connections have not delivered (docs: session.memory).
    needed = BARE + 2 * kept + requests + arriving
    parts = f"2 × session.memory {write_size(kept)}, limits.request_memory {write_size(requests)}"
    told = f"up to {needed >> 20}MiB may be taken ({parts}, limits.arriving_memory {write_size(arriving)})"
    if not limits:
        yield fine(MEMORY, f"{told}; how much there is nobody tells here")
        return
    least = min(limits)
    whose = "the control group" if least == allowed else "the machine" if least == machine else "limits.memory"
    if least >= needed:
        yield fine(MEMORY, f"{told}; {whose} has {least >> 20}MiB")
        return
    fits = max((least - BARE) // 4, 1 << 20) >> 20
    keys = f'session.memory = "{fits}MiB", limits.request_memory and .arriving_memory = "{max(fits, 16)}MiB"'
    yield warning(MEMORY, f"{told}, but {whose} has {least >> 20}MiB", f"give it more, or set {keys}")
