"""Without memory a call is a MemoryError that changed nothing: never a panic, never the end of the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import MAKERS

SCRIPT = """
import resource, sys
from quicgw_fast import backend

engine = backend.load(sys.argv[1])
MIB = 1 << 20
BIG = bytes(48 * MIB)
HARD = resource.getrlimit(resource.RLIMIT_AS)[1]
failed = 0

def looks(made):
    names = ("tally", "memory", "last_seq", "retained", "held", "bound", "in_flight", "overflowed", "partial", "size")
    return [getattr(made, name) for name in names if hasattr(made, name)]

def tight(room, made, name, *arguments):
    '''Call with so many MiB that may still be taken; an error must leave everything as it was.'''
    global failed
    before = looks(made)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + room * MIB, HARD))
    try:
        getattr(made, name)(*arguments)
    except MemoryError:
        failed += 1
        assert looks(made) == before, (room, name, looks(made), before)
        return False
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (HARD, HARD))
    return True

def outbox():
    made = engine.Outbox(
        max_body=2**32 - 1, window_bytes=2**40, budget=engine.ByteBudget(2**40), hold_bytes=2**40
    )
    made.accept(1)
    return made

# Too little for the first copy, for the second, and so on, up to enough.
for room in (8, 56, 104, 250):
    tight(room, outbox(), "push", BIG)
    tight(room, outbox(), "hold", BIG)
    tight(room, outbox(), "bind", 1, True, BIG, 1.0)
    tight(room, outbox(), "reply", 1, 1, 3, 200, "", BIG, {})
    tight(room, outbox(), "refuse", 1, 400, "x" * (10 * MIB), "", {"k": "v" * (10 * MIB)})
    tight(room, engine, "encode_body", 3, 200, "", BIG, {}, 2**40)
    full = outbox()
    full.push(bytes(20 * MIB))
    full.bind(1, True, bytes(20 * MIB), 1.0)
    tight(room, full, "reply", 1, 1, 3, 200, "", bytes(20 * MIB), {})
    full.hold(bytes(20 * MIB))
    tight(room, full, "release")
    full = outbox()
    full.push(BIG)
    tight(room, full, "replay", 0, 2**40)
    tight(room, full, "unsent", 0)
    tight(room, full, "export")
    state, fresh = full.export(), engine.Outbox(budget=engine.ByteBudget(2**40))
    tight(room, fresh, "restore", state)
    state = fresh = None
    full = None
    buffers = engine.NotifyBuffers()
    tight(room, buffers, "bind", 1, True, BIG, 1.0)
    if len(buffers):
        tight(room // 4, buffers, "take_before", 1)
    buffers = None
    decoder = engine.FrameDecoder(2**32 - 1)
    stream = (60 * MIB).to_bytes(4, "big") + bytes(60 * MIB) + (3).to_bytes(4, "big") + b"abc"
    middle = len(stream) // 2
    if tight(room, decoder, "feed", stream[:middle]) and not tight(room, decoder, "feed", stream[middle:]):
        messages = decoder.feed(stream[middle:])
        assert [len(message) for message in messages] == [60 * MIB, 3]
    decoder = messages = stream = None

assert failed > 10, failed
print("well")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of the address space is a matter of Linux")
@pytest.mark.parametrize("maker", MAKERS)
def test_no_memory_is_an_error_and_no_end(maker: str) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", SCRIPT, maker]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (0, "well\n"), result.stderr
