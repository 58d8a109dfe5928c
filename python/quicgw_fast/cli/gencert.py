"""``quicgw gencert``: an authority for development, and certificates of it."""

from __future__ import annotations

import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.text import file_path, named

if TYPE_CHECKING:
    from quicgw_fast.transport.authority import IssuedPair, OwnAuthority

USUAL_NAMES = ("localhost", "127.0.0.1", "::1")
CA_CERTIFICATE, CA_KEY = "ca.pem", "ca.key"
_OTHERS = frozenset({"ca", "server"})
"""Names of files that are no client's, also where case does not count."""
_LABEL = re.compile(r"(\*|(?!-)[A-Za-z0-9_-]{1,63}(?<!-))(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="FOLDER", callback=file_path, help="Where the files go; made if missing.")
]
_NAME_HELP = "Host name or address of the server. Repeatable. Default: localhost, 127.0.0.1, ::1."
_CA_HELP = "Let this authority sign; without it a new one is made."
_CA_KEY_HELP = "Its private key. Default: the file beside it that ends in .key."
CaKey = Annotated[Path | None, typer.Option("--ca-key", metavar="FILE", callback=file_path, help=_CA_KEY_HELP)]
_CLIENT_HELP = "Make a certificate for a client of this name instead, for mutual TLS (control.client_ca)."


def gencert(
    out: Out = Path("certs"),
    name: Annotated[list[str] | None, typer.Option("--name", "-n", metavar="NAME", help=_NAME_HELP)] = None,
    client: Annotated[str | None, typer.Option("--client", metavar="NAME", callback=named, help=_CLIENT_HELP)] = None,
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=3650, help="How long they are valid.")] = 365,
    ca: Annotated[Path | None, typer.Option("--ca", metavar="FILE", callback=file_path, help=_CA_HELP)] = None,
    ca_key: CaKey = None,
    force: Annotated[bool, typer.Option("--force", "-f", metavar="", help="Replace files that are there.")] = False,
    json: options.JsonObject = False,
) -> None:
    """Make a certificate for a server or a client, and an authority that signs it: for development and inner networks.

    Makes server.pem and server.key, or NAME.pem and NAME.key for a client, and without --ca also ca.pem and ca.key.
    Keys can be read by their owner only. Standard error says which settings and flags take the files. Exit status 3: a
    file is there already or cannot be written, or --ca cannot sign.
    """
    if ca is None and ca_key is not None:
        raise typer.BadParameter("needs --ca", param_hint="--ca-key")
    if client is not None and name:
        raise typer.BadParameter("is for servers: a client is known by --client", param_hint="--name")
    if client is not None and _CLIENT.fullmatch(client) is None:
        raise typer.BadParameter("must be letters, digits and ._@-, as it names files, too", param_hint="--client")
    if client is not None and client.lower() in _OTHERS:
        raise typer.BadParameter(f"{client} names the files of the {_whose(client)}", param_hint="--client")
    names = [_checked(one) for one in name or USUAL_NAMES] if client is None else [client]
    with options.failures_as_json(json):
        authority, made = _authority(ca, ca_key, days)
        stem = client or "server"
        issued = authority.issue(stem if client else names[0], names, days, client=client is not None)
        files = {**made, f"{stem}.pem": issued.certificate, f"{stem}.key": issued.key}
        _check_signer(out, files, ca, ca_key)
        _write(out, files, force=force)
    _say(out, list(files), names, issued, ca or out / CA_CERTIFICATE, client=client is not None, as_json=json)


def _whose(client: str) -> str:
    return "authority" if client.lower() == "ca" else "server"


def _checked(name: str) -> str:
    try:
        return str(ip_address(name))
    except ValueError:
        # No name ends in a label of digits (RFC 3696 §2): that is an address with a slip in it.
        if len(name) <= 253 and _LABEL.fullmatch(name) and not name.rstrip(".").rpartition(".")[2].isdigit():
            return name.lower()
    raise typer.BadParameter(f"{name[:64]!r} is no host name and no address", param_hint="--name")


def _authority(ca: Path | None, ca_key: Path | None, days: int) -> tuple[OwnAuthority, dict[str, bytes]]:
    """Read it, or make one; the second are files of a new one."""
    import datetime

    from quicgw_fast.errors import StartupError
    from quicgw_fast.transport.authority import OwnAuthority

    if ca is None:
        authority, pair = OwnAuthority.make(days)
        return authority, {CA_CERTIFICATE: pair.certificate, CA_KEY: pair.key}
    try:
        return OwnAuthority.load(ca, ca_key or ca.with_suffix(".key"), datetime.datetime.now(datetime.UTC)), {}
    except StartupError as error:  # it speaks of the settings of a gateway
        told = str(error).replace("tls.cert", "--ca").replace("tls.key", "--ca-key")
        raise StartupError(told) from error


def _write(folder: Path, files: dict[str, bytes], *, force: bool) -> None:
    """Write all of them, or none where one is there. Raises StartupError."""
    import errno
    import os

    from quicgw_fast.errors import StartupError

    there = [str(folder / name) for name in files if (folder / name).exists()]
    if there and not force:
        advice = "--force replaces what is there, --out names another folder"
        signed = f", --ca {folder / CA_CERTIFICATE} signs with the authority that is there" if CA_KEY in files else ""
        raise StartupError(f"already there: {', '.join(there)}; {advice}{signed}")
    written: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / name for name in files):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        for name, content in files.items():
            new = folder / f".{name}.{os.getpid()}.new"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if name.endswith(".key") else 0o644)
            written[new] = folder / name
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        for new, path in written.items():
            new.replace(path)
    except OSError as error:
        told = f"cannot write {error.filename or folder}: {error.strerror or error}"
        raise StartupError(f"{told}; give another folder with --out") from error
    finally:
        for new in written:
            new.unlink(missing_ok=True)


def _check_signer(folder: Path, files: dict[str, bytes], ca: Path | None, ca_key: Path | None) -> None:
    """Raise StartupError where a file to be written is one of the authority that signs, whatever it is called."""
    from quicgw_fast.errors import StartupError

    if ca is None:
        return
    signers = {ca.resolve(), (ca_key or ca.with_suffix(".key")).resolve()}
    for path in (folder / name for name in files):
        if path.resolve() in signers:
            raise StartupError(f"{path} is a file of the authority that signs; give another folder with --out")


def _say(
    folder: Path, files: list[str], names: list[str], issued: IssuedPair, ca: Path, *, client: bool, as_json: bool
) -> None:
    from quicgw_fast.cli.tables import say_document
    from quicgw_fast.cli.text import toml_lines

    stem = files[-1].removesuffix(".key")
    cert, key = (folder / f"{stem}.pem").absolute(), (folder / f"{stem}.key").absolute()
    if as_json:
        paths = {name: str((folder / name).absolute()) for name in files}
        fields = {"files": paths, "cert": str(cert), "key": str(key), "ca": str(ca.absolute()), "names": names}
        say_document({**fields, "not_after": issued.not_after.timestamp()})
        return
    for name in files:
        print(folder / name)
    if client:
        needed = toml_lines("control", client_ca=str(ca.absolute()))
        rest = f"the client shows --cert {cert} --key {key}"
    else:
        needed = toml_lines("tls", cert=str(cert), key=str(key))
        rest = f"its clients trust it by --ca {ca}"
    valid = f"valid until {issued.not_after:%Y-%m-%d}; {rest}"
    print(valid, "the gateway's configuration needs:", "", *needed, sep="\n", file=sys.stderr)
