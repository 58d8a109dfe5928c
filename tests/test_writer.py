"""A reader that does not read holds up nobody, and learns afterwards what it missed."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.writer import Writer, write_if_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE = b"x" * 99 + b"\n"
PIPE = 1 << 20
"""More than a pipe takes."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            assert end == ends[0], "only the reading end is closed by tests"


def notice(count: int) -> bytes:
    return b"%d dropped\n" % count


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def read_until(descriptor: int, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += os.read(descriptor, 1 << 16)
    return data


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1])
    for number in range(100):
        writer.put(b"%d\n" % number)
    assert writer.drain(10)
    assert os.read(pipe[0], 1 << 16) == b"".join(b"%d\n" % number for number in range(100))


def test_nobody_waits_for_a_reader_and_what_is_dropped_is_told_where_it_was(pipe: tuple[int, int]) -> None:
    long = b"x" * 9999 + b"\n"  # few lines: each is a change of threads, which takes its time on a busy machine
    writer = Writer(pipe[1], limit=PIPE, notice=notice)
    total = 3 * PIPE // len(long)
    for _ in range(total):
        writer.put(long)
    assert not writer.drain(0.05)
    assert writer.dropped > 0
    written = told = 0
    with open(pipe[0], "rb", closefd=False) as lines:
        while written + told < total:
            line = lines.readline()
            written += line == long
            told += int(line.split()[0]) if line != long else 0
    assert (written + told, told) == (total, writer.dropped), "told without a further line"
    assert writer.drain(10)


def test_the_notice_stands_before_the_next_line(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1], limit=len(LINE) + 1000, notice=notice)
    writer.put(LINE)
    until(lambda: writer.drain(0))
    writer.put(b"y" * 2000)
    writer.put(LINE)
    assert read_until(pipe[0], LINE + notice(1) + LINE) == LINE + notice(1) + LINE


def test_a_reader_that_left_is_no_error_and_one_that_comes_back_is_told(tmp_path: object) -> None:
    fifo = f"{tmp_path}/fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(fifo, os.O_WRONLY)
    writer = Writer(writing, limit=PIPE, notice=notice)
    os.close(reading)
    writer.put(LINE)
    assert writer.drain(10)
    assert writer.dropped == 1
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer.put(LINE)
    assert writer.drain(10)
    assert os.read(reading, 1 << 16) == notice(1) + LINE
    os.close(reading)
    os.close(writing)


def test_without_a_notice_an_error_stays(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1])
    os.close(pipe[0])
    writer.put(LINE)
    assert writer.drain(10)
    assert isinstance(writer.error, BrokenPipeError)
    writer.put(LINE)
    assert writer.drain(10)


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = Writer(pipe[1])
    writer.put(b"x" * PIPE + b"\n")
    assert not writer.drain(0.05)
    assert len(read_until(pipe[0], b"\n")) == PIPE + 1
    assert writer.drain(10)
    assert writer.error is None


def test_threads_may_write_at_once(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1])
    threads = [threading.Thread(target=lambda: [writer.put(LINE) for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    data = b""
    while len(data) < 400 * len(LINE):
        data += os.read(pipe[0], 1 << 16)
    assert data == LINE * 400
    for thread in threads:
        thread.join()


def test_writing_only_what_can_be_written_at_once(pipe: tuple[int, int]) -> None:
    assert write_if_free(pipe[1], LINE)
    os.set_blocking(pipe[1], False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(pipe[1], b"x" * 4096)
    os.set_blocking(pipe[1], True)
    assert not write_if_free(pipe[1], LINE)
