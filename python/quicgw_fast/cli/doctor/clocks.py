"""The clocks: certificates and tokens are judged by the wall clock, everything else by the monotonic one."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.result import CheckResult, fine, problem, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECK = "clock"
LARGEST_JUMP = 0.25
"""Seconds in which the two clocks may come apart while they are looked at."""
LOOKED_AT = 0.05
"""Seconds between the two looks."""

_ERROR_STATE = 5
"""TIME_ERROR of adjtimex(2): nobody keeps the clock in step."""
_BYTES = 256
"""More than ``struct timex`` has anywhere. With a first field of 0 nothing is changed."""


def clock(
    built: float,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    synchronised: Callable[[], bool | None] | None = None,
) -> Iterator[CheckResult]:
    """Look whether time passes alike on both clocks, and whether somebody keeps the wall clock right.

    ``built`` is when this program was installed, in seconds since 1970.
    """
    before = wall() - monotonic()
    time.sleep(LOOKED_AT)
    jump = wall() - monotonic() - before
    remedy = "sudo timedatectl set-ntp true, or let chrony or another NTP client run"
    if wall() < built - 86_400:
        told = f"it is {time.strftime('%Y-%m-%d', time.gmtime(wall()))}, before this program was installed"
        yield problem(CHECK, f"{told}: certificates and tokens are judged wrongly", remedy)
        return
    if abs(jump) > LARGEST_JUMP:
        told = f"the wall clock jumped by {jump:+.1f} s while it was looked at"
        yield warning(CHECK, told, "find out who sets it; NTP should slew it (chrony, systemd-timesyncd)")
        return
    kept = (synchronised or kept_in_step)()
    if kept is False:
        told = "nobody keeps it in step (adjtimex): tokens and certificates are judged by it"
        yield warning(CHECK, told, remedy)
        return
    yield fine(CHECK, "steady" + ("; in step by NTP" if kept else "; whether in step nobody tells here"))


def kept_in_step() -> bool | None:
    """Whether the kernel counts the clock as synchronised; None where it does not say."""
    ask = getattr(ctypes.CDLL(None), "adjtimex", None)
    if ask is None:
        return None
    state = int(ask(ctypes.create_string_buffer(_BYTES)))
    return None if state < 0 else state != _ERROR_STATE
