"""What a rule of overload says reaches whom it refuses, whole: the flow decides nothing of it once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, ErrorCode, PushCode
from quicgw_fast.overload import Close, PushRefusal, StartRefusal
from quicgw_fast.overload.attempts import GuessedTokens
from quicgw_fast.overload.draining import PushWhileDraining
from quicgw_fast.overload.flood import ControlFlood

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


def always(refusal: object) -> Callable[..., object]:
    """How a rule judges that refuses everything."""
    return lambda _rule, _facts: refusal


@pytest.mark.parametrize(
    ("refusal", "close"),
    [
        (StartRefusal(ErrorCode.OVERLOADED, "no room"), CloseCode.OVERLOADED),
        (StartRefusal(ErrorCode.OVERLOADED, "elsewhere", close=CloseCode.DRAINING), CloseCode.DRAINING),
        (StartRefusal(ErrorCode.RATE_LIMITED, "slower"), CloseCode.OVERLOADED),
        (StartRefusal(ErrorCode.RATE_LIMITED, "slower", close=CloseCode.IDLE), CloseCode.IDLE),
    ],
)
async def test_a_start(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch, refusal: StartRefusal, close: CloseCode
) -> None:
    monkeypatch.setattr(GuessedTokens, "judge", always(refusal))
    house = await make_house()
    client = house.connect()
    answer = client.start()
    assert (answer.error.error_code, answer.error.error_message) == (refusal.code, refusal.message)
    assert client.answer_headers == {"retry-after-ms": "1000"}
    assert client.ended is close


async def test_a_push(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PushWhileDraining, "judge", always(PushRefusal(PushCode.CACHE_FULL, "no more for now")))
    house = await make_house()
    await house.online()
    answer = await house.push()
    assert (answer.success, answer.error_code, answer.message) == (False, "CACHE_FULL", "no more for now")


async def test_a_message(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControlFlood, "judge", always(Close(CloseCode.PROTOCOL_ERROR, "enough")))
    client = (await make_house()).started()
    client.heartbeat()
    assert client.link.ended == (CloseCode.PROTOCOL_ERROR, "PROTOCOL_ERROR: enough")
