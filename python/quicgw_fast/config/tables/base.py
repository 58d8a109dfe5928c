"""What the tables of the configuration are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from quicgw_fast.config.values import checked_file, number

File = Annotated[Path, checked_file]
Rate = Annotated[float, number(0.001, 1e6, "a second")]
"""Of something per second."""


class Section(BaseModel):
    """One table of the file: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    live: ClassVar[frozenset[str]] = frozenset()
    """The keys that a running gateway takes when it reads its configuration again; for all others it must be restarted.
    Whoever adds a key here sees to it that somebody takes it."""

    since: ClassVar[str] = "0.1.0"
    """The release that had these keys first; one that came later is marked with ``Since``."""

    def taken_from(self, before: Self) -> frozenset[str]:  # noqa: ARG002 - of one whose keys depend on each other
        """Those of them that a gateway can take which runs with the values of ``before``."""
        return self.live


@dataclass(frozen=True, slots=True)
class MadeFile:
    """Marks a file that is made if it is not there."""


@dataclass(frozen=True, slots=True)
class Since:
    """Marks a key that is younger than its table."""

    release: str


@dataclass(frozen=True, slots=True)
class ReadIn:
    """Marks a key that only one ``routing.mode`` reads; ``others`` says what the other modes do without it."""

    mode: str
    others: str = ""
