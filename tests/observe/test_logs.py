"""Logs: one line each, nothing forged, everything on standard error."""

from __future__ import annotations

import json
import logging
import os
import pty
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from quicgw_fast.config import LogConfig
from quicgw_fast.observe import configure_logging, lines_dropped, logs
from quicgw_fast.observe.logs import LONGEST_VALUE, tame_values

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, libraries = logging.getLogger(), [logging.getLogger(name) for name in ("quic", "grpc")]
    handlers, level, levels = root.handlers, root.level, [logger.level for logger in libraries]
    yield
    root.handlers = handlers
    root.setLevel(level)
    for logger, before in zip(libraries, levels, strict=True):
        logger.setLevel(before)
    structlog.reset_defaults()


def tame(**values: Any) -> dict[str, Any]:
    return dict(tame_values(None, "info", values))


# Values


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("alice", "alice"),
        ("Zoë ☕", "Zoë ☕"),
        ("a\nlevel=error forged", "a\\nlevel=error forged"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u2028", "\\u2028"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("", ""),
    ],
)
def test_what_does_not_print_is_escaped(raw: str, written: str) -> None:
    assert tame(openid=raw) == {"openid": written}
    assert tame(event=raw) == {"event": written}


def test_long_values_are_cut() -> None:
    assert tame(openid="x" * LONGEST_VALUE)["openid"] == "x" * LONGEST_VALUE
    assert tame(openid="x" * 10_000)["openid"] == "x" * LONGEST_VALUE + "…"
    assert len(tame(openid="\n" * 10_000)["openid"]) == LONGEST_VALUE + 1


def test_sentences_and_tracebacks_are_not_cut() -> None:
    assert tame(event="x" * 500)["event"] == "x" * 500
    trace = "Traceback\n" + "  File\n" * 100
    assert tame(exception=trace)["exception"] == trace


def test_a_traceback_commands_no_terminal() -> None:
    assert tame(exception="ValueError: \x1b[31m\r\nnext")["exception"] == "ValueError: \\x1b[31m\\r\nnext"


def test_what_is_no_text_is_left_alone() -> None:
    assert tame(count=3, nothing=None, flag=True) == {"count": 3, "nothing": None, "flag": True}


# Lines


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == "", "standard output belongs to the command"
    return err.splitlines()


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="json"))
    logging.getLogger("quicgw.session").info("closed %s", "bob\nforged", extra={"openid": "a\n{}", "n": 3})
    (line,) = lines(capsys)
    record = json.loads(line)
    assert record["event"] == "closed bob\\nforged"
    assert (record["openid"], record["n"], record["level"], record["logger"]) == ("a\\n{}", 3, "info", "quicgw.session")
    assert "timestamp" in record


def test_text_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="text"))
    logging.getLogger("quicgw.session").warning("closed", extra={"openid": "a\nlevel=error"})
    (line,) = lines(capsys)
    assert "closed" in line
    assert "\\nlevel=error" in line


def test_not_on_a_terminal_auto_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig())
    logging.getLogger("x").info("hello")
    assert json.loads(lines(capsys)[0])["event"] == "hello"


def test_who_logs_with_structlog_gets_the_same_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    early = structlog.get_logger("quicgw_fast.auth")
    configure_logging(LogConfig(format="json"))
    early.warning("authentication is OFF", remedy="set\nit")
    early.debug("not written")
    (line,) = lines(capsys)
    record = json.loads(line)
    assert (record["event"], record["remedy"], record["level"]) == ("authentication is OFF", "set\\nit", "warning")
    assert record["logger"] == "quicgw_fast.auth"


def test_an_exception_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="json"))
    try:
        raise ValueError("bad \x1b[0m value")
    except ValueError:
        logging.getLogger("x").exception("failed")
        structlog.get_logger("y").exception("failed too")
    first, second = (json.loads(line) for line in lines(capsys))
    for record in (first, second):
        assert "ValueError: bad \\x1b[0m value" in record["exception"]
        assert record["exception"].startswith("Traceback")


@pytest.mark.parametrize(("level", "written"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level(capsys: pytest.CaptureFixture[str], level: Any, written: int) -> None:
    configure_logging(LogConfig(level=level, format="json"))
    logger = logging.getLogger("x")
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)("said")
    assert len(lines(capsys)) == written


def test_aioquic_does_not_log_every_connection(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="json"))
    logging.getLogger("quic").info("[1234] ALPN negotiated")
    assert lines(capsys) == []


def test_grpc_does_not_log_its_own_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="json", level="debug"))
    inside = logging.getLogger("grpc._cython.cygrpc")
    inside.debug("Using AsyncIOEngine.POLLER as I/O engine")
    inside.error("Unexpected [ValueError] raised by servicer method")
    assert [json.loads(line)["level"] for line in lines(capsys)] == ["error"]


def test_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="json"))
    configure_logging(LogConfig(format="json"))
    logging.getLogger("x").info("once")
    assert len(lines(capsys)) == 1


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_holds_for_log_lines(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
    """https://no-color.org, on a real terminal."""
    monkeypatch.setenv("NO_COLOR", no_color)
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        configure_logging(LogConfig())
        logging.getLogger("quicgw.session").warning("closed", extra={"openid": "alice"})
        logging.getLogger().handlers[0].flush()
        line = os.read(leader, 1 << 16)
    os.close(leader)
    assert b"closed" in line
    assert (b"\x1b[" in line) is coloured


def test_a_line_that_cannot_be_formatted_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="json"))
    logging.getLogger("x").warning("%d", "no number")
    logging.getLogger("x").warning("after it")
    logging.getLogger().handlers[0].flush()
    told = capfd.readouterr().err
    assert "a log line of" in told
    assert "test_logs.py" in told
    assert "after it" in told


def test_lines_that_nobody_takes_are_dropped_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the log that stands still holds up nobody; when it goes on, it learns how much it missed."""
    monkeypatch.setattr(logs, "MOST_WAITING", 4096)
    reading, writing = os.pipe()
    written = 0
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        configure_logging(LogConfig(format="json"))
        assert lines_dropped() == 0
        while lines_dropped() < 10:
            logging.getLogger("x").warning("said", extra={"number": written, "padding": "x" * 100})
            written += 1
        dropped, numbers, told = lines_dropped(), [], 0
        while len(numbers) + told < written:
            line = json.loads(reader.readline())
            if line["event"] == "said":
                numbers.append(line["number"])
            else:
                assert (line["event"], line["logger"]) == ("log lines dropped", "quicgw.log")
                told += line["count"]
        logging.getLogger().handlers[0].flush()
    assert told == dropped
    assert numbers == sorted(numbers), "what was taken is whole and in order"


def test_who_started_without_standard_error_logs_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    configure_logging(LogConfig())
    logging.getLogger("x").warning("said to nobody")
