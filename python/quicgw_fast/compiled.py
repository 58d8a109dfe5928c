"""The compiled parts, and the one word for all of them: ``--fast``, or ``QUICGW_FAST=1`` in the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "QUICGW_FAST"
PARTS: Final[Mapping[str, Mapping[str, str]]] = {"server": {"transport": "quinn"}, "upstream": {"client": "native"}}
"""The settings that the word stands for."""


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variable asks for the compiled parts; raises ConfigError for a value that is neither 0 nor 1."""
    wanted = environment.get(VARIABLE, "0")
    if wanted not in {"", "0", "1"}:
        raise ConfigError(f"{VARIABLE} is {wanted[:32]!r}; write 1 for all compiled parts, or 0")
    return wanted == "1"
