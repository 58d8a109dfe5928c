"""Bytes of the stream in, whole messages out."""

from __future__ import annotations

from typing import Final, final

from quicgw_fast.backend.errors import FrameTooLarge
from quicgw_fast.backend.python import checks

_PREFIX: Final = 4


@final
class FrameDecoder:
    """Cuts a stream into messages: each is a 4-byte big-endian length and that many bytes (protocol §1).

    max_body: longest message in bytes; first_max_body: the same for the first message alone, None for no
    difference. Memory is taken only for bytes that have arrived.
    """

    __slots__ = ("__weakref__", "_broken", "_buffer", "_limit", "_max_body")

    def __init__(self, max_body: int, first_max_body: int | None = None) -> None:
        self._max_body = checks.u64(max_body)
        self._limit = self._max_body if first_max_body is None else checks.u64(first_max_body)
        self._buffer = bytearray()
        self._broken: tuple[int, int] | None = None

    @property
    def partial(self) -> int:
        """Bytes kept of an unfinished message and its length, 0 between messages and after an error."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the messages that they complete, without their lengths.

        Raises FrameTooLarge as soon as the length of a too long message is there. The messages completed
        before it are in the error; every later feed raises it again, without any. MemoryError changes nothing.
        """
        data = checks.octets(data)
        if self._broken is not None:
            raise FrameTooLarge(*self._broken)
        kept, limit = len(self._buffer), self._limit
        try:
            return self._cut(data)
        except MemoryError:
            del self._buffer[kept:]
            self._limit = limit
            raise

    def _cut(self, data: bytes) -> list[bytes]:
        if self._buffer:
            self._buffer += data
        source = self._buffer or data  # what arrives whole is not copied into the buffer first
        bodies: list[bytes] = []
        start = 0
        while len(source) - start >= _PREFIX:
            body = start + _PREFIX
            length = int.from_bytes(source[start:body], "big")
            if length > self._limit:
                self._broken = (length, self._limit)
                self._buffer.clear()
                raise FrameTooLarge(length, self._limit, bodies)
            if body + length > len(source):
                break
            start = body + length
            bodies.append(bytes(source[body:start]))
            self._limit = self._max_body
        if source is data:
            self._buffer += data[start:]
        else:
            del self._buffer[:start]
        return bodies
