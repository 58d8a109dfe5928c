"""Standard output that is a file, a terminal, memory or nothing at all."""

from __future__ import annotations

import errno
import io
import os
import pty
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.output import Output, OutputFailed
from quicgw_fast.cli.statuses import Status
from tests.cli.process import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO


@contextmanager
def standard_output(stream: TextIO | None) -> Iterator[None]:
    """Have ``stream`` for standard output."""
    before, sys.stdout = sys.stdout, stream  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout = before


def test_what_is_printed_is_in_the_file_when_it_is_finished(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with file.open("w", encoding="ascii") as stream, standard_output(stream):
        with Output() as output:
            assert sys.stdout is output
            assert (output.writable(), output.isatty(), output.fileno()) == (True, False, stream.fileno())
            assert output.write("grüße\n") == 6
            print("and more", flush=True)
            output.finish()
        assert sys.stdout is stream
    assert file.read_text() == "gr\\xfc\\xdfe\nand more\n"


def test_a_terminal_is_one() -> None:
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb"), os.fdopen(follower, "w") as stream, standard_output(stream), Output() as output:
        assert output.isatty()


def test_what_lies_in_memory_stays_as_it_is() -> None:
    memory = io.StringIO()
    with standard_output(memory), Output() as output:
        assert sys.stdout is memory
        print("here")
        assert output.settle(0)
        with pytest.raises(OSError, match="fileno"):
            output.fileno()
    assert memory.getvalue() == "here\n"


def test_what_is_closed_fails_with_the_first_word() -> None:
    with standard_output(None), Output() as output:
        assert (output.isatty(), output.encoding) == (False, "utf-8")
        with pytest.raises(OSError, match="it is closed") as closed:
            output.fileno()
        assert closed.value.errno == errno.EBADF
        with pytest.raises(OutputFailed, match="cannot write to standard output: it is closed") as failed:
            print("word")
        assert failed.value.status is Status.UNWRITTEN


def test_a_failure_is_raised_by_what_comes_behind_it_unless_nobody_cares() -> None:
    with open("/dev/full", "w") as full, standard_output(full), Output() as output:  # noqa: PTH123 - a device
        print("word")
        for step in (output.finish, output.flush, lambda: output.settle(1)):
            with pytest.raises(OutputFailed, match="No space left on device"):
                step()
        output.abandon()
        output.finish()
        output.flush()


def test_a_reader_that_went_away_is_a_status_of_its_own() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream, standard_output(stream), Output() as output:
        print("word")
        with pytest.raises(OutputFailed) as failed:
            output.finish()
        assert failed.value.status is Status.READER_GONE


OPENED = """
import os, sys
from quicgw_fast.cli.output import open_missing_descriptors
open_missing_descriptors()
null = os.stat(os.devnull).st_rdev
told = [os.fstat(number).st_rdev == null for number in range(3)], sys.stdin is None, sys.stdout is None
print("nobody is told", file=sys.stderr)
os.write(int(sys.argv[1]), repr(told).encode())
"""


@pytest.mark.parametrize(
    ("closed", "told"),
    [
        ("", "([False, False, False], False, False)"),
        ("<&-", "([True, False, False], True, False)"),
        ("<&- >&- 2>&-", "([True, True, True], True, True)"),
    ],
)
def test_descriptors_that_the_caller_closed_lead_nowhere(closed: str, told: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as said:
        subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", OPENED, str(writing)],
            env=environment(),
            stdin=subprocess.PIPE,
            capture_output=True,
            pass_fds=(writing,),
            check=True,
        )
        os.close(writing)
        assert said.read() == told
