"""What stands behind the ``?`` of a page: checked, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.control.errors import failed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.datastructures import QueryParams
    from starlette.responses import JSONResponse

LONGEST = 18
"""Digits of a number."""


class BadQueryError(ValueError):
    """A parameter is not known, or its value means nothing here."""

    def __init__(self, name: str, value: str, hint: str) -> None:
        super().__init__(f"{name}={value[:64]!r} means nothing here")
        self._hint = hint

    def answer(self) -> JSONResponse:
        """What is answered: 400."""
        return failed(400, "BAD_PARAMETER", self, self._hint)


def check_names(given: QueryParams, known: Collection[str]) -> None:
    """Raise BadQueryError for a parameter that is not known: a search must not find more for a typo."""
    for name, value in given.items():
        if name not in known:
            raise BadQueryError(name, value, f"known are {', '.join(known)}" if known else "there are no parameters")


def whole(given: QueryParams, name: str, default: int, *, least: int, hint: str) -> int:
    """Return a whole number; BadQueryError for what is none, or is below ``least``."""
    written = given.get(name)
    if written is None:
        return default
    if not (written.isascii() and written.isdigit() and len(written) <= LONGEST and int(written) >= least):
        raise BadQueryError(name, written, hint)
    return int(written)


def one_of(given: QueryParams, name: str, values: Sequence[str]) -> str:
    """Return one of the values, the first where none is given; BadQueryError for another one."""
    written = given.get(name, values[0])
    if written not in values:
        raise BadQueryError(name, written, f"write one of {', '.join(values)}")
    return written


def decimal(given: QueryParams, name: str, default: float, *, least: float, most: float) -> float:
    """Return a number between both bounds; BadQueryError for another one."""
    written = given.get(name)
    if written is None:
        return default
    try:
        number = float(written)
    except ValueError:
        number = least - 1.0
    if not least <= number <= most:  # nor NaN
        raise BadQueryError(name, written, f"write a number from {least:g} to {most:g}")
    return number
