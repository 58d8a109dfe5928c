"""The exceptions: class by code, text, and copies that keep everything."""

from __future__ import annotations

import copy

import pytest

from quicgw_fast.client import errors
from quicgw_fast.client.messages import GapReport
from quicgw_fast.codes import ResetReason
from quicgw_fast.errors import GatewayError


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (413, errors.TooLarge),
        (429, errors.RateLimited),
        (500, errors.UpstreamError),
        (503, errors.Overloaded),
        (504, errors.DeadlineExceeded),
        (418, errors.ReplyError),
    ],
)
def test_each_code_has_its_class(code: int, kind: type[errors.ReplyError]) -> None:
    error = errors.reply_error(code, "no", "because", {"a": "b"})
    assert type(error) is kind
    assert (error.code, error.message, error.detail, error.headers) == (code, "no", "because", {"a": "b"})
    assert str(error) == f"{code} no: because"


@pytest.mark.parametrize(("value", "seconds"), [("1500", 1.5), ("0", 0.0), ("soon", None), ("-1", None), ("", None)])
def test_retry_after_is_read_from_the_header(value: str, seconds: float | None) -> None:
    assert errors.reply_error(429, headers={"retry-after-ms": value}).retry_after == seconds


def test_timeouts_and_connection_errors_are_what_python_calls_them() -> None:
    assert issubclass(errors.CallTimeout, TimeoutError)
    assert issubclass(errors.DeadlineExceeded, TimeoutError)
    assert issubclass(errors.ConnectionFailed, ConnectionError)
    assert issubclass(errors.ReceiveQueueFull, errors.ConnectionClosed)
    assert issubclass(errors.QuicgwClientError, GatewayError)


@pytest.mark.parametrize(
    "error",
    [
        errors.reply_error(503, "busy", "later", {"retry-after-ms": "10"}),
        errors.CallTimeout("echo", 1.5),
        errors.CallTimeout("echo", 1.5, False),
        errors.ConnectionClosed(0x103, "SUPERSEDED: newer"),
        errors.ConnectionClosed(0x203),
        errors.ReceiveQueueFull(7),
        errors.SessionReset(ResetReason.OVERFLOW, GapReport(first=3)),
        errors.SessionReset(77),
        errors.NumberGap(4, 6),
        errors.Draining(),
        errors.ConnectionFailed("no answer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_says_the_same(error: errors.QuicgwClientError) -> None:
    twin = copy.copy(error)
    assert twin is not error
    assert type(twin) is type(error)
    assert str(twin) == str(error) != ""
    assert twin.__dict__ == error.__dict__


def test_names_of_numbers() -> None:
    assert errors.close_name(0x203) == "DRAINING"
    assert errors.close_name(0x999) == "code 0x999"
    assert errors.reset_name(3) == "OVERFLOW"
    assert errors.reset_name(99) == "reason 99"
