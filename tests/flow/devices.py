"""What the tests of several devices have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode

if TYPE_CHECKING:
    from tests.flow.house import Client, House


def texts(*clients: Client) -> list[list[str]]:
    """What each of them was sent under a number."""
    return [client.texts for client in clients]


def assert_refused(client: Client) -> None:
    """Its START was: another client of its openid stays."""
    answer = client.answer
    assert (answer.success, answer.error.error_code, answer.connection_id) == (False, 403, "")
    assert client.answer_headers == {"error-code": "ALREADY_ONLINE"}
    assert client.ended is CloseCode.ALREADY_ONLINE


def assert_refused_start(house: House) -> None:
    """Whoever else comes is."""
    other = house.connect()
    other.start("alice")
    assert_refused(other)
