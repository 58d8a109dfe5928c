from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast import backend
from quicgw_fast.backend import FrameTooLarge

from .conftest import CALM, MAKERS

if TYPE_CHECKING:
    from types import ModuleType


def framed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def test_whole_messages(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(100)
    assert decoder.feed(framed(b"one", b"", b"three")) == [b"one", b"", b"three"]
    assert decoder.partial == 0


def test_a_message_in_single_bytes(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(100)
    stream = framed(b"abc")
    for position, byte in enumerate(stream[:-1], 1):
        assert decoder.feed(bytes([byte])) == []
        assert decoder.partial == position
    assert decoder.feed(stream[-1:]) == [b"abc"]
    assert decoder.partial == 0


def test_an_empty_feed_changes_nothing(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(100)
    assert decoder.feed(b"") == []
    decoder.feed(framed(b"abc")[:5])
    assert decoder.feed(b"") == []
    assert decoder.partial == 5


def test_the_bound_itself_is_allowed(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(3)
    assert decoder.feed(framed(b"abc", b"def")) == [b"abc", b"def"]


@pytest.mark.parametrize("split", range(1, 5))
def test_too_long_is_told_by_the_length_alone(engine: ModuleType, split: int) -> None:
    decoder = engine.FrameDecoder(3)
    prefix = (4).to_bytes(4, "big")
    for byte in prefix[: split - 1]:
        decoder.feed(bytes([byte]))
    if split < 4:
        assert decoder.feed(prefix[split - 1 : 3]) == []
    with pytest.raises(FrameTooLarge) as caught:
        decoder.feed(prefix[3:])
    assert (caught.value.length, caught.value.limit, caught.value.messages) == (4, 3, [])


def test_messages_before_the_long_one_are_in_the_error(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(3)
    decoder.feed(framed(b"abc")[:6])
    with pytest.raises(FrameTooLarge) as caught:
        decoder.feed(framed(b"abc")[6:] + framed(b"d") + b"\xff\xff\xff\xffxyz")
    assert (caught.value.length, caught.value.messages) == (2**32 - 1, [b"abc", b"d"])


def test_after_an_error_every_feed_raises_it_again(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(3)
    for data in (framed(b"a") + framed(b"long"), b"", framed(b"b")):
        with pytest.raises(FrameTooLarge) as caught:
            decoder.feed(data)
        assert (caught.value.length, caught.value.limit) == (4, 3)
        assert decoder.partial == 0
    assert caught.value.messages == []


def test_the_first_message_has_its_own_bound(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(10, first_max_body=3)
    assert decoder.feed(framed(b"abc", b"0123456789")) == [b"abc", b"0123456789"]
    with pytest.raises(FrameTooLarge) as caught:
        engine.FrameDecoder(10, 3).feed(framed(b"four"))
    assert caught.value.limit == 3


def test_the_first_bound_holds_until_the_first_message_is_whole(engine: ModuleType) -> None:
    decoder = engine.FrameDecoder(3, first_max_body=10)
    stream = framed(b"0123456789")
    assert decoder.feed(stream[:9]) == []
    with pytest.raises(FrameTooLarge) as caught:
        decoder.feed(stream[9:] + framed(b"four"))
    assert (caught.value.limit, caught.value.messages) == (3, [b"0123456789"])


@pytest.mark.parametrize("maker", MAKERS)
@CALM
@given(bodies=st.lists(st.binary(max_size=40)), cuts=st.lists(st.integers(0, 400)))
def test_how_the_stream_is_cut_does_not_matter(maker: str, bodies: list[bytes], cuts: list[int]) -> None:
    decoder = backend.load(maker).FrameDecoder(40)
    stream = framed(*bodies)
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    fed = [decoder.feed(stream[a:b]) for a, b in pairwise(borders)]
    assert list(chain.from_iterable(fed)) == bodies
    assert decoder.partial == 0
