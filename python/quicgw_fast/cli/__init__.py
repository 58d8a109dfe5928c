"""The command ``quicgw``.

Everything heavier than typer is imported by the command that needs it, so that help and usage errors come at once.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from quicgw_fast.cli.output import Output, OutputFailed, open_missing_descriptors
from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Sequence
    from types import FrameType, TracebackType
    from typing import NoReturn

ONCE_MORE = 0.05
"""Seconds after which a signal comes again that nobody could be told of."""
LAST_MOMENT = 0.5
"""Seconds that what was printed has to be read after a signal."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with a Status; ``arguments`` are those of the process when None."""
    open_missing_descriptors()
    # gRPC's C core writes lines of its own past our log, for things that are not errors; set it to see them.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with Interrupts() as interrupts, Output() as output:
        try:
            status = _run(arguments, output)
            if interrupts.came:  # and what it raised met a place where nothing can be raised
                raise KeyboardInterrupt
            output.finish()
        except OutputFailed as failure:
            if failure.status is not Status.READER_GONE:
                _say_error(f"{failure}; give it another place to write to")
            status = failure.status
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
    sys.exit(status)


class Interrupts:
    """Ctrl-C where no ``Signals`` look at it: it raises KeyboardInterrupt as ever, and is remembered.

    What a signal handler raises is lost where the interpreter happens to be in a destructor, of which the end of an
    event loop has many. And nothing may be raised inside of a loop that runs, which could not be closed any more: there
    the signal comes once more a moment later, and who looks at it then is told. Of a loop that ends before that,
    ``came`` is what is left.
    """

    def __init__(self) -> None:
        self.came = False
        self._mine = False

    def __enter__(self) -> Interrupts:
        # Not where somebody has SIGINT ignored, nor in a thread, where nobody may.
        self._mine = signal.getsignal(signal.SIGINT) is signal.default_int_handler and _in_main_thread()
        if self._mine:
            signal.signal(signal.SIGINT, self._arrived)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        self.came = True
        loop = _loop_at_work()
        if loop is None:
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(loop.call_later, ONCE_MORE, self._again, number)

    def _again(self, number: int) -> None:
        self.came = False  # it is whose handler is there now
        signal.raise_signal(number)


def _loop_at_work() -> AbstractEventLoop | None:
    event_loop = sys.modules.get("quicgw_fast.cli.event_loop")  # neither is imported for a help text
    loop: AbstractEventLoop | None = None if event_loop is None else event_loop.loop_at_work()
    if loop is not None:
        return loop
    asyncio = sys.modules.get("asyncio")
    try:
        return None if asyncio is None else asyncio.get_running_loop()
    except RuntimeError:
        return None


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _run(arguments: Sequence[str] | None, output: Output) -> int:
    """Run the command and return its status; what it prints may still be on its way."""
    from quicgw_fast.errors import StartupError, needs_extra

    try:
        with needs_extra("server", "the command quicgw"):
            return _run_app(arguments, output)
    except StartupError as error:
        output.settle(None)  # what was printed before stands before it
        _say_error(str(error))
        return Status.FAILED
    except OutputFailed:
        raise
    except Exception:
        import traceback

        traceback.print_exc()
        _say_error("this is a fault of the program; please report what is above")
        return Status.BUG


def _run_app(arguments: Sequence[str] | None, output: Output) -> int:
    from quicgw_fast.cli import usage
    from quicgw_fast.cli.app import command_line
    from quicgw_fast.cli.statuses import Interrupted

    group = command_line()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        # Not as a program of its own: its mistakes are told here.
        status = group.main(args=words, prog_name="quicgw", standalone_mode=False)
        if status == Status.INTERRUPTED:  # a Ctrl-C that came outside of the event loop
            output.settle(LAST_MOMENT)
            output.abandon()
        return status if isinstance(status, int) else Status.DONE
    except usage.UsageError as error:
        return usage.tell(error, words)
    except SystemExit as done:  # of the completion of a shell
        return done.code if isinstance(done.code, int) else Status.DONE
    except Interrupted as ended:
        output.settle(LAST_MOMENT)  # for a reader that reads; nobody waits for one that does not
        output.abandon()
        return 128 + ended.number
    return Status.DONE


def _say_error(sentence: str) -> None:
    """Write what the command ends with, behind the log and in one piece."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.write(f"quicgw: {sentence}\n")
