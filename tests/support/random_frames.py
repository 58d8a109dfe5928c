"""Packets of random frames: of every kind, valid or nearly so, and rarely nothing that is a frame (RFC 9000 §19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.buffer import encode_uint_var as var

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

NUMBERS = (0, 1, 2, 3, 4, 5, 8, 63, 64, 255, 1 << 14, 1 << 16, 1 << 20, 1 << 30, (1 << 62) - 1)
STREAMS = (0, 0, 0, 0, 1, 2, 3, 4)


def number(rng: Random) -> bytes:
    """A number of any size, often one at which something changes."""
    return var(rng.choice(NUMBERS) if rng.random() < 0.7 else rng.getrandbits(rng.randrange(1, 62)))


def small(rng: Random) -> bytes:
    """A number as an honest peer may send it."""
    return var(rng.randrange(300))


def rest(rng: Random) -> bytes:
    """Up to 40 bytes."""
    return rng.randbytes(rng.randrange(40))


def data(rng: Random) -> bytes:
    """Up to 40 bytes, behind their length."""
    found = rest(rng)
    return var(len(found)) + found


def stream(rng: Random) -> bytes:
    """The number of a stream, most often of the one that there is."""
    return var(rng.choice(STREAMS))


def ranges(rng: Random) -> bytes:
    """How many ranges an ACK has besides the first, and all of them."""
    count = rng.choice((0, 0, 1, 2, 8, 60))
    return var(count) + small(rng) + b"".join(var(rng.randrange(4)) for _ in range(2 * count))


FIELDS: dict[int, str] = {
    0x00: "", 0x01: "", 0x02: "sna", 0x03: "snaqqq", 0x04: "inn", 0x05: "in", 0x06: "sd", 0x07: "d",
    0x08: "ir", 0x09: "ir", 0x0A: "id", 0x0B: "id", 0x0C: "isr", 0x0D: "inr", 0x0E: "isd", 0x0F: "ind",
    0x10: "n", 0x11: "in", 0x12: "n", 0x13: "n", 0x14: "n", 0x15: "in", 0x16: "n", 0x17: "n",
    0x18: "ss8xxx", 0x19: "s", 0x1A: "x", 0x1B: "x", 0x1C: "nnd", 0x1D: "nd", 0x1E: "", 0x1F: "",
    0x30: "r", 0x31: "d", 0xAF: "nnnn", 0x21: "nn",
}  # fmt: skip
"""The fields of each kind of frame, in the letters of ``MAKERS``."""
MAKERS: dict[str, Callable[[Random], bytes]] = {
    "n": number, "s": small, "q": small, "i": stream, "a": ranges, "d": data, "r": rest,
    "x": lambda rng: rng.randbytes(8), "8": lambda _: b"\x08",
}  # fmt: skip
TAME = (0x00, 0x01, 0x02, 0x10, 0x11, 0x14, 0x15, 0x1A, 0x1B)
"""Kinds that rarely end a connection: with any of all kinds alike, the first packet would be the last one."""


def random_frame(rng: Random) -> bytes:
    """One frame."""
    kind = rng.choice(TAME if rng.random() < 0.8 else tuple(FIELDS))
    frame = var(kind) + b"".join(MAKERS[letter](rng) for letter in FIELDS[kind])
    return frame if rng.random() < 0.99 else frame[: rng.randrange(len(frame))] + rest(rng)


def random_frames(rng: Random, most: int = 1100) -> bytes:
    """The frames of one packet, which is not longer than ``most`` bytes."""
    frames = b""
    for _ in range(rng.choice((1, 1, 2, 3, 8, 30, 120))):
        frame = random_frame(rng)
        if len(frames) + len(frame) > most:
            break
        frames += frame
    return frames or b"\x01"
