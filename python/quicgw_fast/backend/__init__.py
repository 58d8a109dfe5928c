"""The engine: what happens to every message, as one API from two interchangeable makers.

``rust`` is compiled (``quicgw_fast._core``), ``python`` is its readable reference; both behave the same to
the byte. The environment variable ``QUICGW_BACKEND`` chooses: ``rust``, ``python``, or ``auto``, which is the
compiled one if it was built and the other one if not. NAME says which one runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Final, cast

from quicgw_fast.backend.errors import (
    BindRefused,
    BudgetFull,
    CacheFull,
    EngineError,
    FrameTooLarge,
    FutureAck,
    NotInFlight,
    NumbersUsedUp,
    OutboxClosed,
    Overflowed,
    WindowFull,
)
from quicgw_fast.backend.tally import Tally
from quicgw_fast.errors import ConfigError, StartupError

if TYPE_CHECKING:
    from quicgw_fast.backend.engine import Engine

VARIABLE: Final = "QUICGW_BACKEND"
_MODULES: Final = {"rust": "quicgw_fast._core", "python": "quicgw_fast.backend.python"}


def load(name: str) -> Engine:
    """Return the module of one maker, ``rust`` or ``python``.

    Raises ConfigError for any other name and StartupError if the compiled one cannot be imported.
    """
    if name not in _MODULES:
        raise ConfigError(f"{VARIABLE} is {name!r}, but must be auto, rust or python")
    try:
        return cast("Engine", importlib.import_module(_MODULES[name]))
    except ImportError as error:
        raise StartupError(
            f"the {name} engine cannot be imported ({error}); build it with `maturin develop --release`, "
            f"or set {VARIABLE}=python to run without it"
        ) from error


def choose(wanted: str) -> Engine:
    """Return the maker that a value of QUICGW_BACKEND stands for; errors as in load().

    ``auto`` falls back only when the extension is missing; one that is there and does not load is an error.
    """
    if wanted == "auto":
        wanted = "rust" if importlib.util.find_spec(_MODULES["rust"]) else "python"
    return load(wanted)


if TYPE_CHECKING:
    # Both makers have the types of the reference; stubtest and the tests keep that true.
    from quicgw_fast.backend.python import (
        ByteBudget,
        ForwardedRequest,
        FrameDecoder,
        NotifyBuffers,
        Outbox,
        Rate,
        SequenceAllocator,
        TaskQueue,
        TokenBucket,
        encode_body,
        forward,
        push_to_all,
    )

    NAME: str
else:
    _maker = choose(os.environ.get(VARIABLE, "auto"))
    NAME = _maker.NAME
    ByteBudget = _maker.ByteBudget
    ForwardedRequest = _maker.ForwardedRequest
    FrameDecoder = _maker.FrameDecoder
    NotifyBuffers = _maker.NotifyBuffers
    Outbox = _maker.Outbox
    Rate = _maker.Rate
    SequenceAllocator = _maker.SequenceAllocator
    TaskQueue = _maker.TaskQueue
    TokenBucket = _maker.TokenBucket
    encode_body = _maker.encode_body
    forward = _maker.forward
    push_to_all = _maker.push_to_all

__all__ = [
    "NAME",
    "BindRefused",
    "BudgetFull",
    "ByteBudget",
    "CacheFull",
    "EngineError",
    "ForwardedRequest",
    "FrameDecoder",
    "FrameTooLarge",
    "FutureAck",
    "NotInFlight",
    "NotifyBuffers",
    "NumbersUsedUp",
    "Outbox",
    "OutboxClosed",
    "Overflowed",
    "Rate",
    "SequenceAllocator",
    "Tally",
    "TaskQueue",
    "TokenBucket",
    "WindowFull",
    "choose",
    "encode_body",
    "forward",
    "load",
    "push_to_all",
]
