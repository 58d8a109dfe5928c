"""W3C Trace Context: what is valid goes on, and what is not is left out."""

from __future__ import annotations

import pytest

from quicgw_fast.trace_context import trace_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("parent", [TRACE, TRACE[:-2] + "00", "01" + TRACE[2:], "fe" + TRACE[2:] + "-what.comes"])
def test_a_trace_goes_on(parent: str) -> None:
    assert trace_of({"traceparent": parent}) == (("traceparent", parent),)
    state = ("tracestate", "vendor=1, other=x")
    assert trace_of(dict([("traceparent", parent), state])) == (("traceparent", parent), state)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        TRACE.upper(),
        TRACE + "\n",
        TRACE + "-more",
        TRACE[:-1],
        "ff" + TRACE[2:],
        TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        TRACE.replace("b7ad6b7169203331", "0" * 16),
        TRACE.replace("a", "g"),
        "fe" + TRACE[2:] + "-é",
        "fe" + TRACE[2:] + "-" + "x" * 201,
    ],
)
def test_what_is_no_trace_is_left_out_with_its_state(parent: str) -> None:
    assert trace_of({"traceparent": parent, "tracestate": "a=1"}) == ()


@pytest.mark.parametrize("state", ["", "a=\n", "é=1", "a=" + "1" * 511])
def test_a_state_that_cannot_be_carried_on_leaves_the_trace(state: str) -> None:
    assert trace_of({"traceparent": TRACE, "tracestate": state}) == (("traceparent", TRACE),)
