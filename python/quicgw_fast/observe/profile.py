"""A sampling profile of one thread of the running process: what it does, looked at so many times a second.

Another thread looks at its stack (``sys._current_frames``), so it sees what the event loop is in the middle of, also
where that is stuck. It needs the interpreter for some 10 µs each time.

It gets the interpreter when the looked-at thread lets it go: for a system call, or when asked to. An event loop makes
one every few hundred microseconds, always at the same place, and Python asks after five milliseconds only: nothing else
would ever be seen. So while it is looked, Python asks much sooner, which costs a busy process up to a tenth.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import threading
    from types import FrameType

DEEPEST: Final = 200
"""Frames of a stack; what is above those is left out."""
ASKED_AFTER: Final = 50e-6
"""Seconds until a thread that runs is asked to let another one look."""


class Profile(NamedTuple):
    """What was seen."""

    stacks: Counter[tuple[str, ...]]
    """How often each stack was seen, the innermost function last."""
    seconds: float
    """How long was looked."""
    looks: int
    """How often."""


def sample(thread: int, seconds: float, hz: float, over: threading.Event) -> Profile:
    """Look for so long, or until it is ``over``, at a thread that is given by its ``threading.get_ident``.

    To be called in another one.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(ASKED_AFTER)
    try:
        return _sample(thread, seconds, hz, over)
    finally:
        sys.setswitchinterval(before)


def _sample(thread: int, seconds: float, hz: float, over: threading.Event) -> Profile:
    stacks: Counter[tuple[str, ...]] = Counter()
    began = now = time.monotonic()
    looks = 0
    while now - began < seconds and not over.is_set():
        frame = sys._current_frames().get(thread)
        if frame is not None:
            stacks[_stack(frame)] += 1
            del frame  # what it holds on to is not to live until the next look
        looks += 1
        over.wait(max(0.0, min(began + looks / hz, began + seconds) - time.monotonic()))
        now = time.monotonic()
    return Profile(stacks, now - began, looks)


def _stack(innermost: FrameType) -> tuple[str, ...]:
    functions: list[str] = []
    frame: FrameType | None = innermost
    while frame is not None and len(functions) < DEEPEST:
        code = frame.f_code
        functions.append(f"{_module(frame)}.{code.co_qualname}:{code.co_firstlineno}")
        frame = frame.f_back
    return tuple(reversed(functions))


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))
