"""What requests take in memory, counted per session and for all; the refusals are in ``test_rules``."""

from __future__ import annotations

from dataclasses import dataclass

from quicgw_fast.overload import RequestMemory, size_of
from quicgw_fast.overload.request_memory import OF_A_REQUEST, OF_AN_ENTRY
from quicgw_fast.proto.service_pb2 import UpstreamRequest


@dataclass
class Session:
    request_bytes: int = 0


def test_an_empty_request_takes_what_a_task_takes() -> None:
    assert size_of(UpstreamRequest()) == OF_A_REQUEST


def test_data_counts_as_it_is() -> None:
    small, large = (size_of(UpstreamRequest(action="echo", data=bytes(size))) for size in (1000, 101_000))
    assert large - small == 100_000 + 1, "and one byte more for its length"


def test_each_parameter_and_header_takes_more_than_its_text() -> None:
    request = UpstreamRequest(params={"a": "", "b": ""}, headers={"c": ""})
    assert size_of(request) == OF_A_REQUEST + request.ByteSize() + 3 * OF_AN_ENTRY


def test_what_is_taken_is_given_back_once() -> None:
    memory, alice, bob = RequestMemory(10_000), Session(), Session()
    memory.take(alice, 300)
    memory.take(alice, 200)
    memory.take(bob, 1000)
    assert (memory.used, alice.request_bytes, bob.request_bytes) == (1500, 500, 1000)
    memory.give_back(alice, 200)
    assert (memory.used, alice.request_bytes) == (1300, 300)


def test_what_comes_back_after_the_end_changes_nothing() -> None:
    memory, alice, bob = RequestMemory(10_000), Session(), Session()
    memory.take(alice, 300)
    memory.take(bob, 1000)
    memory.end(alice)
    assert (memory.used, alice.request_bytes) == (1000, 0)
    memory.give_back(alice, 300)
    assert (memory.used, alice.request_bytes) == (1000, 0)
