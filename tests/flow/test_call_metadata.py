"""Protocol §3: what a service is told beside the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.flow.call_metadata import metadata_of

if TYPE_CHECKING:
    from tests.flow.house import House

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_request_without_an_id_has_that_of_its_task() -> None:
    assert metadata_of("s-1", {}) == (("x-request-id", "s-1"),)
    assert metadata_of("s-1", {"other": "x"}) == (("x-request-id", "s-1"),)


@pytest.mark.parametrize("asked", ["7", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "a:b/c.d_e-f@g=h+i~", "x" * 128])
def test_a_client_may_name_its_request(asked: str) -> None:
    assert metadata_of("s-1", {"x-request-id": asked}) == (("x-request-id", asked),)


@pytest.mark.parametrize("asked", ["", " ", "a b", "a\n", "a\r\nb", "é", "x" * 129, "{}", '"', "\x00"])
def test_what_is_not_fit_to_be_an_id_is_left_out(asked: str) -> None:
    assert metadata_of("s-1", {"x-request-id": asked}) == (("x-request-id", "s-1"),)


def test_a_trace_goes_on_where_it_is_one() -> None:
    headers = {"traceparent": TRACE, "tracestate": "a=1"}
    assert metadata_of("s-1", headers) == (("x-request-id", "s-1"), *headers.items())
    assert metadata_of("s-1", {**headers, "traceparent": "x"}) == (("x-request-id", "s-1"),)


async def test_requests_and_logins_carry_their_ids(house: House) -> None:
    client = house.started()
    client.call("hello", headers={"traceparent": TRACE})
    client.call("echo", headers={"x-request-id": "mine"})
    client.call("echo")
    await house.settle()
    session = client.session.id
    assert [call.metadata for call in house.upstream.calls] == [
        (("x-request-id", f"{session}-1"), ("traceparent", TRACE)),
        (("x-request-id", "mine"),),
        (("x-request-id", f"{session}-3"),),
    ]
    assert house.upstream.calls[1].request.headers == {"x-request-id": "mine", "gateway": ""}, "as it was written"
