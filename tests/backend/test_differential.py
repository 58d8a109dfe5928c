"""Both makers get the same random operations and must answer the same, and look the same after each one.

Numbers, sizes and bounds are small, so that few operations reach every border: a window that is full, a reserve that
is used up, a request that was answered, a budget that another session took.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicgw_fast import backend
from quicgw_fast.backend import EngineError
from quicgw_fast.backend.python.wire import varint

from .conftest import CALM

if TYPE_CHECKING:
    from collections.abc import Callable

# More in a long run: QUICGW_TEST_SEQUENCES=100000 pytest tests/backend/test_differential.py
SEQUENCES = int(os.environ.get("QUICGW_TEST_SEQUENCES", "1500"))

pytestmark = pytest.mark.timeout(max(300, SEQUENCES // 20))
RUST, PYTHON = backend.load("rust"), backend.load("python")
TOP = 2**64 - 1

Operation = tuple[str, tuple[Any, ...]]


def operation(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.tuples(st.just(name), st.tuples(*arguments))


def outcome(call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return the result, or what the exception was and carried."""
    try:
        return call(*arguments)
    except EngineError as error:
        return type(error), error.args, vars(error), str(error)
    except (TypeError, ValueError, OverflowError) as error:
        return type(error)


def compare(pair: tuple[Any, Any], step: Operation, looks: Callable[[Any], Any]) -> Any:
    """Do one operation on both and return what both answered."""
    name, arguments = step
    ours, reference = (outcome(getattr(made, name), arguments) for made in pair)
    assert ours == reference, step
    assert looks(pair[0]) == looks(pair[1]), step
    return reference


# Outbox: two sessions that share a budget

GRIDS = st.integers(0, 9)
SEQS = st.one_of(st.integers(0, 12), st.sampled_from([2**32, TOP]))
# Few sizes, frames of 6, 10, 20 and 50 bytes mostly, so that sums meet the bounds exactly.
BODIES = st.sampled_from([0, 0, 4, 4, 14, 14, 44, 45]).map(bytes)
TIMES = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2, float("nan")])
TEXTS = st.sampled_from(["", "ok", "x" * 30, "zwölf", "\ud800"])
HEADERS = st.sampled_from([{}, {"a": "1"}, {"b": "", "a": "2"}, {"long": "v" * 40}, {"a": 1}])
CODES = st.sampled_from([0, 200, 503, -1, 2**31])
MSG_IDS = st.sampled_from([0, 1, 127, 128, 2**32 - 1, 2**32])

OUTBOX_STEPS = st.one_of(
    operation("accept", SEQS),
    operation("accept next"),
    operation("accept next"),
    operation("reply", GRIDS, MSG_IDS, st.sampled_from([3, 4, 0]), CODES, TEXTS, BODIES, HEADERS),
    operation("reply to one in flight", st.integers(0, 9), TEXTS, BODIES),
    operation("reply to one in flight", st.integers(0, 9), TEXTS, BODIES),
    operation("refuse", MSG_IDS, CODES, TEXTS, TEXTS, HEADERS),
    operation("turn away some", st.integers(-1, 1), st.integers(0, 5), st.integers(0, 2), BODIES),
    operation("push", BODIES, st.booleans()),
    operation("push", BODIES),
    operation("bind", GRIDS, st.booleans(), BODIES, TIMES),
    operation("bind near the highest", st.integers(-2, 2), st.booleans(), BODIES, TIMES),
    operation("expire", TIMES),
    operation("hold", BODIES),
    operation("hold with a ticket", BODIES, st.integers(0, 3)),
    operation("hold with a ticket", BODIES, st.integers(0, 3)),
    operation("bind with a ticket", GRIDS, st.booleans(), BODIES, TIMES),
    operation("bind with a ticket near the highest", st.integers(-2, 2), st.booleans(), BODIES, TIMES),
    operation("withdraw a late one", st.integers(0, 3)),
    operation("withdraw", SEQS),
    operation("fates"),
    operation("release"),
    operation("ack", SEQS),
    operation("ack some", st.integers(0, 4)),
    operation("replay", SEQS, st.integers(0, 150)),
    operation("missed", SEQS),
    operation("unsent", SEQS),
    operation("is_open", SEQS),
    operation("push to all", BODIES),
)
ENDINGS = operation("close", st.integers(-1, 4)) | operation("mark_overflow", st.integers(-1, 3), st.integers(0, 3))
OUTBOX_STEP = st.tuples(st.integers(0, 1), OUTBOX_STEPS)
OUTBOX_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "after": st.sampled_from([0, 1, 126, 2**32, TOP - 6, TOP - 2, TOP]),
        "window_messages": st.integers(1, 9),
        "window_bytes": st.sampled_from([1, 60, 100, 200, 400]),
        "max_body": st.integers(0, 90),
        "bind_per_request": st.integers(0, 3),
        "bind_total": st.integers(0, 6),
        "hold_messages": st.integers(0, 4),
        "hold_bytes": st.sampled_from([0, 18, 44, 60]),
    },
)
# A session lives for a while, and ends in half of the cases, with some more operations after that.
OUTBOX_SEQUENCES = st.lists(OUTBOX_STEP, max_size=8) | st.builds(
    lambda life, ending, rest: life + ending + rest,
    st.lists(OUTBOX_STEP, min_size=15, max_size=60),
    st.lists(st.tuples(st.integers(0, 1), ENDINGS), max_size=1),
    st.lists(OUTBOX_STEP, max_size=12),
)
PROPERTIES = [
    "acked_seq",
    "bound",
    "closed",
    "dropped",
    "fill",
    "held",
    "in_flight",
    "last_seq",
    "max_client_seq",
    "memory",
    "overflowed",
    "releasing",
    "retained",
    "retained_bytes",
    "tally",
]


def looks(outbox: Any) -> list[Any]:
    return [
        *(getattr(outbox, name) for name in PROPERTIES),
        outbox.missed(0),
        outbox.replay(0, TOP),
        outbox.unsent(0),
        outbox.unsent_names(0),
        [seq for seq in range(12) if outbox.is_open(seq)],
    ]


def resolve(reference: Any, step: Operation, ticket: int) -> Operation:
    """Turn an operation that depends on the state into a call; ``ticket`` names whatever it lets wait."""
    name, arguments = step
    if name == "hold with a ticket":
        return "hold", (arguments[0], ticket, ticket - arguments[1] if arguments[1] else 0)
    if name == "bind with a ticket":
        return "bind", (*arguments, ticket)
    if name == "bind with a ticket near the highest":
        return "bind", (min(max(reference.max_client_seq + arguments[0], 0), TOP), *arguments[1:], ticket)
    if name == "withdraw a late one":
        return "withdraw", (max(ticket - arguments[0], 0),)
    if name == "accept next":
        return "accept", (min(reference.max_client_seq + 1, TOP),)
    if name == "bind near the highest":
        return "bind", (min(max(reference.max_client_seq + arguments[0], 0), TOP), *arguments[1:])
    if name == "turn away some":
        off, count, begin, body = arguments
        first = min(max(reference.max_client_seq + 1 + off - begin, 0), TOP - count)
        messages = [b"\x08\x05\x10" + varint(first + number) + b"\x18\x04" for number in range(count + begin)]
        return "turn_away", (messages, begin, body)
    if name == "ack some":
        return "ack", (min(reference.acked_seq + arguments[0], TOP),)
    if name == "reply to one in flight":
        open_requests = [seq for seq in range(20) if reference.is_open(seq)] or [1]
        choice, text, body = arguments
        return "reply", (open_requests[choice % len(open_requests)], 5, 3, 200, text, body, {})
    return step


@settings(CALM, max_examples=SEQUENCES)
@given(
    options=st.tuples(OUTBOX_SETTINGS, OUTBOX_SETTINGS),
    limit=st.sampled_from([None, None, 0, 102, 400, 1000, 2000]),
    steps=OUTBOX_SEQUENCES,
)
def test_outbox(
    options: tuple[dict[str, int], dict[str, int]], limit: int | None, steps: list[tuple[int, Operation]]
) -> None:
    budgets: list[Any] = [None if limit is None else maker.ByteBudget(limit) for maker in (RUST, PYTHON)]
    pairs = [
        (RUST.Outbox(budget=budgets[0], **chosen), PYTHON.Outbox(budget=budgets[1], **chosen)) for chosen in options
    ]

    for ticket, (which, step) in enumerate(steps, 1):
        if step[0] == "push to all":
            sent = [
                maker.push_to_all([pair[at] for pair in (pairs[which], *pairs)], *step[1])
                for at, maker in enumerate((RUST, PYTHON))
            ]
            assert sent[0] == sent[1], step
            assert all(looks(pair[0]) == looks(pair[1]) for pair in pairs), step
        else:
            compare(pairs[which], resolve(pairs[which][1], step, ticket), looks)
        if limit is not None:
            assert budgets[0].used == budgets[1].used


TAGS = st.sampled_from([0x08, 0x10, 0x18, 0x22, 0x2A, 0x32, 0x38, 0x0A])
FIELDS = st.one_of(
    st.just(b"\x18\x04"),
    st.builds(lambda tag, number: bytes((tag,)) + varint(number), TAGS, st.sampled_from([0, 1, 2, 4, 2**32, TOP])),
    st.builds(
        lambda tag, field: bytes((tag, len(field))) + field,
        TAGS,
        st.sampled_from(
            [b"", b"a", b"\xff", b"\x0a\x05hello", b"\x0a\x05HELLO!", b"\x0a\x01a\x12\x01b", b"\x0a\x01\xff"]
        ),
    ),
    st.binary(max_size=12),
)


@settings(CALM, max_examples=SEQUENCES)
@given(message=st.lists(FIELDS, max_size=6).map(b"".join))
def test_which_messages_are_plain_requests(message: bytes) -> None:
    pair = RUST.Outbox(), PYTHON.Outbox()
    compare(pair, ("turn_away", ([message], 0, b"\x18\x04")), looks)


# The other classes

SMALL = st.one_of(st.integers(-1, 9), st.sampled_from([TOP - 1, TOP, TOP + 1]))


@settings(CALM, max_examples=SEQUENCES // 5)
@given(
    after=st.sampled_from([0, 3, TOP - 4, TOP]),
    steps=st.lists(
        st.one_of(operation("next"), operation("next_many", SMALL), operation("accept", SMALL), operation("ack", SMALL))
    ),
)
def test_sequence_allocator(after: int, steps: list[Operation]) -> None:
    pair = RUST.SequenceAllocator(after), PYTHON.SequenceAllocator(after)
    for step in steps:
        compare(pair, step, lambda made: (made.last, made.acked, made.max_client_seq))


@settings(CALM, max_examples=SEQUENCES // 5)
@given(
    bounds=st.tuples(st.integers(0, 4), st.integers(0, 9)),
    steps=st.lists(
        st.one_of(
            operation("bind", st.integers(0, 3), st.booleans(), st.binary(max_size=4), TIMES),
            operation("bind", st.integers(0, 3), st.booleans(), st.binary(max_size=4), TIMES),
            operation("take_before", SMALL),
            operation("take_after", SMALL),
            operation("expire", TIMES),
            operation("count", SMALL),
        )
    ),
)
def test_notify_buffers(bounds: tuple[int, int], steps: list[Operation]) -> None:
    pair = RUST.NotifyBuffers(*bounds), PYTHON.NotifyBuffers(*bounds)
    for step in steps:
        compare(pair, step, lambda made: (len(made), made.size, [made.count(client_seq) for client_seq in range(4)]))


@settings(CALM, max_examples=SEQUENCES // 5)
@given(
    capacity=st.integers(1, 5),
    steps=st.lists(
        st.one_of(
            operation("try_push", st.one_of(st.none(), st.integers(0, 99))),
            operation("try_push", st.integers(0, 99)),
            operation("try_pop"),
            operation("pop_many", SMALL),
            st.integers(0, 9).map(lambda often: ("try_pop", ()) if often else ("close", ())),
        )
    ),
)
def test_task_queue(capacity: int, steps: list[Operation]) -> None:
    pair = RUST.TaskQueue(capacity), PYTHON.TaskQueue(capacity)
    for step in steps:
        compare(pair, step, lambda made: (len(made), made.closed, made.capacity))


@settings(CALM, max_examples=SEQUENCES // 5)
@given(
    bounds=st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)),
    steps=st.lists(
        st.one_of(
            st.binary(max_size=6),
            st.integers(0, 9).map(lambda length: length.to_bytes(4, "big") + bytes(length)),
            st.lists(st.binary(max_size=7)).map(
                lambda bodies: b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
            ),
            st.tuples(st.integers(0, 9), st.integers(0, 13)).map(
                lambda cut: (cut[0].to_bytes(4, "big") + bytes(cut[0]))[cut[1] :]
            ),
        ).map(lambda data: ("feed", (data,)))
    ),
)
def test_frame_decoder(bounds: tuple[int, int | None], steps: list[Operation]) -> None:
    pair = RUST.FrameDecoder(*bounds), PYTHON.FrameDecoder(*bounds)
    for step in steps:
        compare(pair, step, lambda made: made.partial)


@settings(CALM, max_examples=SEQUENCES // 5)
@given(
    push_type=st.integers(-(2**31) - 1, 2**31),
    code=st.integers(-(2**31) - 1, 2**31),
    message=st.text(),
    data=st.binary(max_size=300),
    headers=st.dictionaries(st.text(), st.text()),
    limit=st.integers(0, 600),
)
def test_encode_body(**arguments: Any) -> None:
    compare((RUST, PYTHON), ("encode_body", tuple(arguments.values())), lambda _: None)
