"""The command ``quicgw``.

Exit statuses: 0 done, 1 answered with an error or a check failed, 2 wrong usage, 3 could not start or connect, 130 and
143 ended by a second signal. Everything heavier than typer is imported by the command that needs it, so that help and
usage errors come at once.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

START_FAILED = 3


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; ``arguments`` are those of the process when None."""
    # gRPC's C core writes lines of its own past our log, for things that are no errors; who wants them sets it.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from quicgw_fast.cli.app import app
    from quicgw_fast.errors import StartupError

    try:
        app(args=arguments, prog_name="quicgw")
    except StartupError as error:
        print(f"quicgw: {error}", file=sys.stderr)  # noqa: T201 - this is what the command says
        sys.exit(START_FAILED)
    sys.exit(0)
