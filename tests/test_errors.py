"""Errors that several stages share."""

from __future__ import annotations

import pytest

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import AnsweredError, BusyError, ConfigError, GatewayError, ProtocolError, RequestError


@pytest.mark.parametrize("code", [ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED])
@pytest.mark.parametrize("kind", [RequestError, BusyError])
def test_429_and_503_always_tell_when_to_come_back(code: ErrorCode, kind: type[RequestError]) -> None:
    assert int(kind(code, "later").headers["retry-after-ms"]) > 0
    assert kind(code, "later", retry_after_ms=7).headers == {"retry-after-ms": "7"}


@pytest.mark.parametrize("code", [code for code in ErrorCode if code not in (429, 503)])
def test_others_do_not(code: ErrorCode) -> None:
    assert RequestError(code, "no").headers == {}


def test_a_protocol_error_names_its_request_and_has_no_headers() -> None:
    """The connection ends with it: there is nothing to come back to."""
    error = ProtocolError(ErrorCode.TOO_LARGE, "too large", "over 1 MiB", msg_id=7)
    assert (error.code, error.message, error.detail, error.msg_id) == (413, "too large", "over 1 MiB", 7)
    assert error.headers == {}


@pytest.mark.parametrize(("detail", "said"), [("no zone", "400 bad field: no zone"), ("", "400 bad field")])
def test_a_request_error_reads_as_a_sentence_with_its_code(detail: str, said: str) -> None:
    assert str(RequestError(ErrorCode.BAD_REQUEST, "bad field", detail)) == said


@pytest.mark.parametrize(("detail", "said"), [("over 1 MiB", "too large: over 1 MiB"), ("", "too large")])
def test_a_protocol_error_reads_without_it(detail: str, said: str) -> None:
    """It becomes the reason phrase of the close, which begins with the name of another code."""
    assert str(ProtocolError(ErrorCode.TOO_LARGE, "too large", detail)) == said


@pytest.mark.parametrize("kind", [RequestError, ProtocolError])
def test_whatever_a_client_is_told_can_be_caught_as_one(kind: type[AnsweredError]) -> None:
    assert issubclass(kind, AnsweredError)
    assert issubclass(kind, GatewayError)
    assert not issubclass(ConfigError, AnsweredError)
