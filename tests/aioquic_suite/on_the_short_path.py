"""A plugin for aioquic's own tests: every connection that they make is one with the short path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aioquic.asyncio import client, protocol, server
from aioquic.h0 import connection as h0
from aioquic.h3 import connection as h3
from aioquic.quic import connection

from quicgw_fast.transport.aioquic.short_sending import ShortSending

if TYPE_CHECKING:
    from aioquic.quic.connection import NetworkAddress
    from aioquic.quic.stream import QuicStream

DIFFERENT: dict[str, str] = {}
"""Tests that assert what is rightly different with the short path, by name, with the reason. There is none."""

LEAST = 500
"""Packets in each direction that take the short path at least when all tests run: else they prove nothing."""

taken = {"received": 0, "sent": 0}
"""Packets that took the short path."""


class Connection(ShortSending):
    """One that takes the short path while it writes a log, which aioquic's tests switch on everywhere."""

    def _may_receive_short(self, addr: NetworkAddress) -> bool:
        log, self._quic_logger = self._quic_logger, None
        try:
            return super()._may_receive_short(addr)
        finally:
            self._quic_logger = log

    def _may_send_short(self, stream: QuicStream) -> bool:
        log, self._quic_logger = self._quic_logger, None
        try:
            return super()._may_send_short(stream)
        finally:
            self._quic_logger = log

    def _take_number(self, first: int, number: int, eliciting: bool, now: float) -> None:
        taken["received"] += 1
        super()._take_number(first, number, eliciting, now)

    def _protect(self, frames: bytes, number: int) -> bytes:
        taken["sent"] += 1
        return super()._protect(frames, number)


for module in (connection, client, protocol, server, h0, h3):
    if hasattr(module, "QuicConnection"):
        module.QuicConnection = Connection  # type: ignore[misc]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is different."""
    for item in items:
        if item.name in DIFFERENT:
            item.add_marker(pytest.mark.skip(reason=DIFFERENT[item.name]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where hardly anything took the short path."""
    if not session.testsfailed and min(taken.values()) < LEAST:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how much did."""
    terminalreporter.write_line(f"on the short path: {taken['received']} packets received, {taken['sent']} sent")
