"""``quicgw audit``: one archive for whoever is to help."""

from __future__ import annotations

import io
import tarfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import file_path

if TYPE_CHECKING:
    from quicgw_fast.cli.audit.members import Members

_OUTPUT_HELP = "The archive, which must not be there. Default: quicgw-audit-DATE-TIME.tar.gz."
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", callback=file_path, help=_OUTPUT_HELP)]
_SESSIONS_HELP = "Flight recorders of so many sessions, the latest; 0 leaves out all about clients."
_LOG_HELP = "The log, of which the end goes in. Default: the file that a gateway on this machine writes to."

_ABOUT = """\
An archive of quicgw audit, made {when} (seconds since 1970: {moment:.0f}).

Tokens, keys and passwords were taken out and are *** now. Openids and addresses of clients are in it, in the files
about sessions and perhaps in the log: hand it to whom you trust with these, or make it with --sessions 0.

What is in it:
{there}
What could not be had, and why:
{missing}
"""


def audit(
    output: Output = None,
    sessions: Annotated[int, typer.Option("--sessions", metavar="N", min=0, max=500, help=_SESSIONS_HELP)] = 20,
    log: Annotated[Path | None, typer.Option("--log", metavar="FILE", callback=file_path, help=_LOG_HELP)] = None,
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """Put everything that somebody needs who is to help into one archive, without anything secret.

    The configuration, what doctor finds, versions, everything that the gateway tells of itself, its sessions with the
    flight recorders of the latest, and the end of the log. Tokens, keys and passwords are taken out wherever they
    stand; openids and addresses of clients are in it. Exit status 0: done. 1: done, but no gateway was there. 3: it
    cannot be written.
    """
    from quicgw_fast.cli.audit.members import PAGES, Members, add_log, add_own, add_pages, add_sessions
    from quicgw_fast.cli.audit.redaction import Redaction, secrets_of
    from quicgw_fast.cli.progress_bar import steps
    from quicgw_fast.config import read

    with options.failures_as_json(json):
        settings = read(config)
        pages = options.admin_pages(admin, config, token_file, timeout)
        members = Members(Redaction(secrets_of(settings, token_file)))
        with steps(2 + len(PAGES) + sessions, quiet=json) as (show, step):
            show("looking at this machine")
            add_own(members, config, settings)
            step()
            show("asking the gateway")
            add_pages(members, pages, step)
            if sessions:
                show("asking for sessions")
                add_sessions(members, pages, sessions, step)
            add_log(members, log, pages.address)
            step()
        path = output or Path(time.strftime("quicgw-audit-%Y%m%d-%H%M%S.tar.gz"))
        _write(path, members)
    _say(path, members, as_json=json)
    raise typer.Exit(Status.NO if "stats.json" in members.missing else Status.DONE)


def _write(path: Path, members: Members) -> None:
    """Write all at once, for its owner alone. Raises StartupError."""
    import os

    from quicgw_fast.errors import StartupError

    members.files["ABOUT.txt"] = _about(members).encode()
    folder = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, content in members.files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(content))
    new = path.with_name(f".quicgw-audit-{os.getpid()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with ExitStack() as undo:
            os.close(os.open(path, flags, 0o600))  # nobody else has this name now
            undo.callback(path.unlink)
            descriptor = os.open(new, flags, 0o600)
            undo.callback(new.unlink)
            with os.fdopen(descriptor, "wb") as file:
                file.write(whole.getvalue())
            new.replace(path)
            undo.pop_all()
    except OSError as error:
        raise StartupError(f"cannot write {path}: {error.strerror or error}; --output names another file") from error


def _about(members: Members) -> str:
    there = "\n".join(f"  {name}" for name in members.files)
    missing = "\n".join(f"  {name}: {why}" for name, why in members.missing.items())
    now = time.time()
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return _ABOUT.format(when=when, moment=now, there=there, missing=missing or "  nothing")


def _say(path: Path, members: Members, *, as_json: bool) -> None:
    from quicgw_fast.cli.tables import amount, say_document, table

    if as_json:
        files = [{"name": name, "size": len(content)} for name, content in members.files.items()]
        missing = [{"name": name, "why": why} for name, why in members.missing.items()]
        say_document({"file": str(path), "members": files, "missing": missing})
        return
    rows = [(name, amount(len(content))) for name, content in members.files.items()]
    print("\n".join(table(("IN IT", "SIZE"), rows)))
    reasons: dict[str, list[str]] = {}
    for name, why in members.missing.items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        print(f"not there: {', '.join(names)}: {why}")
    print(f"{path}: tokens, keys and passwords were taken out; openids and addresses of clients are in it")
