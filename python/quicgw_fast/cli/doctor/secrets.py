"""Tokens and keys: whether they can be read, and by whom."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from quicgw_fast.auth import make_authenticator
from quicgw_fast.cli.doctor.result import CheckResult, fine, problem, refused, warning
from quicgw_fast.control.access import read_access
from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quicgw_fast.config import Config

ACCESS, LOGIN = "access", "login"


def access(config: Config) -> Iterator[CheckResult]:
    """Read what ``[control]`` names, as a start does."""
    try:
        files = read_access(config.control)
    except GatewayError as error:
        yield refused(ACCESS, error)
        return
    asks = {"services": files.grpc.required or config.control.client_ca is not None, "operators": files.admin.required}
    told = (f"{who} {'have to show who they are' if asked else 'need to show nothing'}" for who, asked in asks.items())
    yield fine(ACCESS, ", ".join(told))
    for path in (config.control.grpc_token_file, config.control.admin_token_file):
        if path is not None:
            yield from _readable(ACCESS, path)


def login(config: Config) -> Iterator[CheckResult]:
    """Read the keys of clients' tokens, as a start does."""
    auth = config.auth
    if auth.mode == "none":
        told = "any client may use any openid, and take over any session"
        yield warning(LOGIN, told, 'set auth.mode = "jwt" and auth.key_file (quicgw gentoken --new-key FOLDER)')
        return
    try:
        make_authenticator(auth)
    except GatewayError as error:
        yield refused(LOGIN, error)
        return
    yield fine(LOGIN, f"tokens are checked ({', '.join(auth.algorithms)})")
    if auth.key_file is not None and any(name.startswith("HS") for name in auth.algorithms):
        yield from _readable(LOGIN, auth.key_file)


def offline_store(config: Config) -> Iterator[CheckResult]:
    """Look whether the store's file can be made where it shall be."""
    path = config.offline.path
    if config.offline.store != "sqlite" or path is None:
        return
    folder = path.parent
    if not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        yield problem("offline store", f"{path} cannot be written", f"mkdir -p {folder}, owned by who runs the gateway")
    else:
        yield fine("offline store", f"{path} can be written")


def _readable(check: str, path: Path) -> Iterator[CheckResult]:
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield warning(check, f"everybody on this machine can read or write {path}", f"chmod 600 {path}")
