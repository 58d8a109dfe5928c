"""``quicgw genconfig``: a configuration file to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from quicgw_fast.cli.text import file_path
from quicgw_fast.errors import StartupError


def genconfig(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            callback=file_path,
            help="Where to write it; unless it is given, standard output.",
        ),
    ] = None,
    minimal: Annotated[bool, typer.Option("--minimal", help="Only what a new user looks at first.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE if it is there.")] = False,
) -> None:
    """Write a configuration file with every key, its default and what it means.

    All keys are commented out, so that it loads as it is and means the defaults. Its first line names the schema by
    which editors complete and check it. Exit status 3: the file is there already, or cannot be written.
    """
    from quicgw_fast.config.sample import sample

    text = sample(minimal=minimal)
    if output is None:
        print(text, end="")
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise StartupError(f"{output} is there already; give another --output, or --force to overwrite it") from error
    except OSError as error:
        raise StartupError(f"cannot write {output}: {error.strerror}; give another --output") from error
    print(f"wrote {output}; next: change it, then quicgw checkconfig {output}", file=sys.stderr)
