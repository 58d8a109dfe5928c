"""The codes of the wire: numbers and words that peers rely on, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast import backend, codes
from quicgw_fast.codes import BindCode, CloseCode, ErrorCode, PushCode, RegisterCode, StoreCode, is_final, may_pass

if TYPE_CHECKING:
    from enum import IntEnum, StrEnum

NUMBERS: tuple[type[CloseCode | ErrorCode], ...] = (CloseCode, ErrorCode)
WORDS: tuple[type[PushCode | BindCode | StoreCode | RegisterCode], ...] = (PushCode, BindCode, StoreCode, RegisterCode)


def test_the_error_codes_are_those_of_the_protocol() -> None:
    assert {code.value for code in ErrorCode} == {400, 401, 403, 413, 429, 500, 503, 504}
    assert {code.value for code in ErrorCode if code.says_when} == {429, 503}
    assert {code.value for code in ErrorCode if code.retryable} == {429, 500, 503, 504}


@pytest.mark.parametrize("kind", [*NUMBERS, *WORDS])
def test_every_code_has_its_sentence(kind: type[IntEnum | StrEnum]) -> None:
    sentences = [code.sentence for code in kind]  # type: ignore[attr-defined]
    assert all(sentences)
    assert len(set(sentences)) == len(sentences)
    assert all(isinstance(code.retryable, bool) for code in kind)  # type: ignore[attr-defined]


def test_a_sender_can_tell_all_refusals_apart() -> None:
    refusals = [code.value for kind in WORDS for code in kind]
    assert len(set(refusals)) == len(refusals)


@pytest.mark.parametrize("kind", [PushCode, RegisterCode])
def test_words_are_spelt_as_their_names(kind: type[PushCode | RegisterCode]) -> None:
    assert all(code.value == code.name for code in kind)


@pytest.mark.parametrize("code", CloseCode)
def test_whether_a_close_is_final_follows_from_its_range(code: CloseCode) -> None:
    assert code.retryable is (code >= 0x200)
    assert is_final(code) is not code.retryable


@pytest.mark.parametrize(
    ("code", "final"), [(0x100, True), (0x1FF, True), (0xFF, False), (0x2FF, False), (2**62, False)]
)
def test_close_codes_that_nobody_knows_are_judged_by_their_range(code: int, final: bool) -> None:
    assert is_final(code) is final


@pytest.mark.parametrize("code", [0, 200, 404, 599])
def test_an_error_that_nobody_knows_does_not_pass(code: int) -> None:
    assert not may_pass(code)


@pytest.mark.parametrize("code", ErrorCode)
def test_known_errors_pass_or_do_not(code: ErrorCode) -> None:
    assert may_pass(int(code)) is code.retryable


@pytest.mark.parametrize("maker", ["rust", "python"])
def test_both_engines_refuse_to_bind_with_exactly_these_codes(maker: str) -> None:
    outbox = backend.load(maker).Outbox(bind_per_request=1)
    outbox.accept(1)
    outbox.reply(1, 1, 4, 500, "answered", b"", {})
    body = backend.load(maker).encode_body(3, codes.OK, "", b"", {})
    outbox.bind(2, True, body, 1.0)
    refused = []
    for client_seq in (0, 1, 2):
        with pytest.raises(backend.BindRefused) as caught:
            outbox.bind(client_seq, True, body, 1.0)
        refused.append(caught.value.code)
    assert refused == list(BindCode)
