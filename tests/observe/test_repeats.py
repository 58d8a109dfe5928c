"""Repeated log lines: the first at once, the others counted."""

from __future__ import annotations

import logging

import pytest

from quicgw_fast.observe.repeats import RepeatLog

LOGGER = logging.getLogger("quicgw.test_repeats")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


def said(lines: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    return [(record.getMessage(), getattr(record, "count", None)) for record in lines.records]


def test_the_first_is_said_at_once_and_the_rest_once_a_minute_with_its_count(lines: pytest.LogCaptureFixture) -> None:
    log = RepeatLog(LOGGER, interval=60.0)
    for second in range(60):
        log.add(logging.WARNING, "call failed", "127.0.0.1:1", float(second), {"status": "UNAVAILABLE"})
    assert said(lines) == [("call failed", None)]
    log.add(logging.WARNING, "call failed", "127.0.0.1:1", 60.0, {"status": "UNAVAILABLE"})
    assert said(lines)[1:] == [("call failed", 60)]
    assert lines.records[1].__dict__["status"] == "UNAVAILABLE"


def test_kinds_and_subjects_are_apart(lines: pytest.LogCaptureFixture) -> None:
    log = RepeatLog(LOGGER)
    for event in ("a", "b"):
        for subject in ("x", "y"):
            log.add(logging.INFO, event, subject, 0.0)
    assert said(lines) == [("a", None), ("a", None), ("b", None), ("b", None)]


def test_what_went_quiet_is_flushed_and_then_forgotten(lines: pytest.LogCaptureFixture) -> None:
    log = RepeatLog(LOGGER, interval=60.0)
    for _ in range(3):
        log.add(logging.INFO, "a", "x", 0.0)
    log.flush(59.0)
    assert len(said(lines)) == 1
    log.flush(60.0)
    assert said(lines)[1:] == [("a", 2)]
    log.flush(120.0)
    log.add(logging.INFO, "a", "x", 121.0)
    assert said(lines)[2:] == [("a", None)]


def test_memory_is_bounded_and_nothing_is_left_unsaid(lines: pytest.LogCaptureFixture) -> None:
    log = RepeatLog(LOGGER, remembered=2)
    for subject in ("x", "x", "y", "z"):
        log.add(logging.INFO, "a", subject, 0.0)
    assert said(lines) == [("a", None), ("a", None), ("a", 1), ("a", None)]


def test_very_many_new_subjects_share_a_line(lines: pytest.LogCaptureFixture) -> None:
    """Forged addresses must not fill the log, whose writer the disk pays for."""
    log = RepeatLog(LOGGER, interval=60.0, fresh=3)
    for number in range(1000):
        log.add(logging.WARNING, "handshake failed", f"127.0.0.{number}", 0.01 * number)
    assert said(lines) == [("handshake failed", None)] * 4
    log.add(logging.WARNING, "handshake failed", "127.0.0.1", 59.0)  # a known one still counts for itself
    log.add(logging.WARNING, "another event", "127.0.0.1", 59.0)
    assert said(lines)[4:] == [("another event", None)]
    log.flush(61.0)
    assert sorted(said(lines)[5:], key=str) == [("handshake failed", 1), ("handshake failed", 996)]
    log.add(logging.WARNING, "handshake failed", "127.0.1.1", 61.0)  # a new interval, a new allowance
    assert said(lines)[7:] == [("handshake failed", None)]


def test_the_last_word_about_a_subject_is_what_happened_last(lines: pytest.LogCaptureFixture) -> None:
    log = RepeatLog(LOGGER, interval=60.0)
    for second, event in enumerate(("up", "down", "up", "down", "up")):
        log.add(logging.INFO, event, "x", second * 10.0)
    log.add(logging.INFO, "down", "y", 45.0)
    for second in range(60, 200):
        log.flush(float(second))
    assert said(lines) == [("up", None), ("down", None), ("down", None), ("down", 1), ("up", 2)]


def test_what_is_new_is_said_behind_what_was_unsaid(lines: pytest.LogCaptureFixture) -> None:
    log = RepeatLog(LOGGER, interval=60.0)
    for second in (0.0, 1.0):
        log.add(logging.INFO, "down", "x", second)
    log.add(logging.INFO, "up", "x", 2.0)
    assert said(lines) == [("down", None), ("down", 1), ("up", None)]
