"""By which ids log lines say what they are about."""

from __future__ import annotations

import pytest

from quicgw_fast.flow.call_metadata import metadata_of
from quicgw_fast.log_ids import call_ids, request_ids, session_ids
from quicgw_fast.ports import NO_METADATA
from quicgw_fast.processor import AsyncTask
from quicgw_fast.proto.service_pb2 import UpstreamRequest

TRACE = "0af7651916cd43dd8448eb211c80319c"
REQUEST = UpstreamRequest(session_id="s", openid="alice", client_seq_id=5)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, {"request": "s-5"}),
        ({"x-request-id": "mine"}, {"request": "mine"}),
        ({"x-request-id": "no id\n"}, {"request": "s-5"}),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, {"request": "s-5", "trace": TRACE}),
        ({"traceparent": f"cc-{TRACE}-b7ad6b7169203331-01-later"}, {"request": "s-5", "trace": TRACE}),
        ({"traceparent": "00-00000000000000000000000000000000-b7ad6b7169203331-01"}, {"request": "s-5"}),
    ],
)
def test_a_line_has_what_the_service_is_told(headers: dict[str, str], told: dict[str, str]) -> None:
    metadata = metadata_of("s-5", headers)
    assert call_ids(metadata) == told
    assert request_ids(REQUEST, metadata) == {"session": "s", "openid": "alice", **told}


def test_without_metadata_there_is_whose_it_is() -> None:
    assert request_ids(REQUEST, NO_METADATA) == session_ids("s", "alice") == {"session": "s", "openid": "alice"}


def test_a_task_names_its_request() -> None:
    task = AsyncTask(object(), 1, REQUEST, 0.0, 1.0, metadata=metadata_of("s-5", {}))
    assert task.ids == {"session": "s", "openid": "alice", "request": "s-5"}
