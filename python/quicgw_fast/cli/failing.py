"""What ``--json`` prints where something could not be done: one object, the same for every command."""

from __future__ import annotations

import json
from typing import Any, Final

from quicgw_fast.cli.tables import VERSION

NO_CODE: Final = 0
"""Stands for the code where this side gave up and nobody answered."""


def nobody_answered(why: str) -> dict[str, Any]:
    """Return the fields of an error that is not an answer: this side gave up."""
    return {"code": NO_CODE, "message": why, "detail": "", "headers": {}, "seq_id": 0}


def say_failure(status: int, code: str, message: str, hint: str = "") -> None:
    """Print what ended the command with ``status``: as the admin pages write errors, and as ``call`` does."""
    error = {"code": code, "message": message, "hint": hint}
    fields = {"kind": "error", "version": VERSION, **nobody_answered(message), "status": int(status), "error": error}
    print(json.dumps(fields), flush=True)
