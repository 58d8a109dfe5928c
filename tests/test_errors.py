"""Errors that several stages share."""

from __future__ import annotations

import pytest

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import BusyError, RequestError


@pytest.mark.parametrize("code", [ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED])
@pytest.mark.parametrize("kind", [RequestError, BusyError])
def test_429_and_503_always_tell_when_to_come_back(code: ErrorCode, kind: type[RequestError]) -> None:
    assert int(kind(code, "later").headers["retry-after-ms"]) > 0
    assert kind(code, "later", retry_after_ms=7).headers == {"retry-after-ms": "7"}


@pytest.mark.parametrize("code", [code for code in ErrorCode if code not in (429, 503)])
def test_others_do_not(code: ErrorCode) -> None:
    assert RequestError(code, "no").headers == {}
