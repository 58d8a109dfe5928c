"""``quicgw gentoken``: tokens for clients, and keys to make them with."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import file_path, one_of, plain, toml_lines
from quicgw_fast.errors import StartupError


class Algorithm(StrEnum):
    """Signature algorithms that the gateway verifies."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


def gentoken(
    openid: Annotated[str | None, typer.Argument(callback=plain, help="Whom the token is for (claim sub).")] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", "-k", metavar="FILE", callback=file_path, help="Secret (HS256) or PEM private key."),
    ] = None,
    new_key: Annotated[
        Path | None,
        typer.Option(
            "--new-key",
            metavar="FOLDER",
            callback=file_path,
            help="Make a new key in this folder and use it; made if missing.",
        ),
    ] = None,
    algorithm: Annotated[
        Algorithm,
        typer.Option(
            "--algorithm", "-a", metavar="NAME", parser=one_of(Algorithm), help=f"One of {', '.join(Algorithm)}."
        ),
    ] = Algorithm.HS256,
    ttl: Annotated[float, Seconds("--ttl", default="1h", help="How long the token is valid.")] = 3600.0,
    audience: Annotated[str | None, typer.Option("--audience", metavar="NAME", help="As auth.audience.")] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", metavar="NAME", help="As auth.issuer.")] = None,
    kid: Annotated[str | None, typer.Option("--kid", metavar="NAME", help="The key's name in a key set.")] = None,
) -> None:
    """Print a token for a client of a gateway with auth.mode = "jwt".

    With --new-key a key is made in that folder: secret.key, or private.pem and public.pem. Nothing is ever
    overwritten. Standard error says which settings the gateway needs for it. Without OPENID only the key is made.
    """
    if (key is None) == (new_key is None):
        raise typer.BadParameter(
            "give exactly one: an existing key, or a folder for a new one", param_hint="--key, --new-key"
        )
    if openid is None and new_key is None:
        raise typer.BadParameter("is missing: whom is the token for?", param_hint="OPENID")
    if openid == "":
        raise typer.BadParameter("must not be empty", param_hint="OPENID")
    import time

    from quicgw_fast.auth import issue_token

    signing = key if new_key is None else _new_key(new_key, algorithm)
    if openid is not None and signing is not None:
        token = issue_token(
            openid,
            signing,
            algorithm=algorithm.value,
            ttl=ttl,
            audience=audience,
            issuer=issuer,
            kid=kid,
            wall=time.time(),
        )
        typer.echo(token)


def _new_key(folder: Path, algorithm: Algorithm) -> Path:
    from quicgw_fast.auth import generate_key

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"cannot make {folder}: {error.strerror or error}; give another one") from error
    made = generate_key(algorithm.value, folder)
    needed = toml_lines("auth", mode="jwt", algorithms=[algorithm.value], key_file=str(made.verifying.absolute()))
    print(f"made {made.signing}; the gateway's configuration needs:", "", *needed, sep="\n", file=sys.stderr)
    return made.signing
