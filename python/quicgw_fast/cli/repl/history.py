"""The lines that were typed once, for who types and for shells that complete."""

from __future__ import annotations

import os
from pathlib import Path

KNOWN_ACTIONS = ("hello",)
"""What every gateway has."""


def history_file() -> Path:
    """Return the file of lines, in the user's state directory, which is made if it is missing.

    Only its owner may read it: there may be anything in it.
    """
    path = _place()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return path


def known_actions() -> set[str]:
    """Return the actions that were called from a prompt before, and those that every gateway has."""
    try:
        lines = _place().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # nobody has typed anything yet, or it may not be read
        lines = []
    words = (line.removeprefix("+").split() for line in lines if line.startswith("+call "))
    return {found[1] for found in words if len(found) > 1} | set(KNOWN_ACTIONS)


def _place() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "quicgw" / "repl_history"
