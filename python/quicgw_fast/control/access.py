"""Who may use the ports for services and operators: read from files, and replaced while they are open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.control.guard import AdminGuard
from quicgw_fast.control.tls import ServerTls, TlsFiles, read_tls
from quicgw_fast.control.tokens import TokenSet, read_tokens
from quicgw_fast.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

    from quicgw_fast.config import ControlConfig
    from quicgw_fast.control.refusals import Refusals


@dataclass(frozen=True, slots=True)
class AccessFiles:
    """What is in the files that ``[control]`` names."""

    grpc: TokenSet
    admin: TokenSet
    tls: TlsFiles | None
    hosts: tuple[str, ...]
    """Names under which the admin pages may be asked for."""


def read_access(config: ControlConfig) -> AccessFiles:
    """Read all of them; raises SettingError for what cannot be used."""
    return AccessFiles(
        read_tokens(config.grpc_token_file, "grpc_token_file"),
        read_tokens(config.admin_token_file, "admin_token_file"),
        read_tls(config),
        config.admin_hosts,
    )


class ControlAccess:
    """What the two servers ask."""

    def __init__(self, files: AccessFiles) -> None:
        self.files = files
        """As they were read last."""
        self.grpc = TokenSet()
        self.admin = TokenSet()
        self._tls = None if files.tls is None else ServerTls(files.tls)
        self._use(files)

    def credentials(self) -> grpc.ServerCredentials | None:
        """Return what the gRPC port is opened with; None for one without TLS."""
        return None if self._tls is None else self._tls.credentials()

    def admin_guard(self, host: str, refusals: Refusals) -> AdminGuard:
        """Return the guard of admin pages that are served at ``host``."""
        return AdminGuard(self.admin, lambda: (host.lower(), *self.files.hosts), refusals)

    def prepare(self, files: AccessFiles) -> Callable[[], None]:
        """Check other files, and return the step that takes them, which cannot fail.

        Raises SettingError for what needs a restart: a port speaks TLS or not for as long as it is open.
        """
        if (self._tls is None) != (files.tls is None):
            raise _needs_restart("cert", "whether the gRPC port speaks TLS")
        if self._tls is not None and files.tls is not None and self._tls.mutual != (files.tls.client_ca is not None):
            raise _needs_restart("client_ca", "whether services need a certificate")
        return partial(self._use, files)

    def _use(self, files: AccessFiles) -> None:
        self.files = files
        self.grpc.replace(files.grpc)
        self.admin.replace(files.admin)
        if self._tls is not None and files.tls is not None:
            self._tls.replace(files.tls)


def _needs_restart(key: str, what: str) -> SettingError:
    return SettingError(("control", key), f"control.{key}: {what} cannot change while it is open; restart the gateway")
