"""Who may use the ports for services and operators: read from files, and replaced while they are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.control.guard import AdminGuard
from quicgw_fast.control.tls import ServerTls, TlsFiles, read_tls
from quicgw_fast.control.tokens import TokenSet, read_tokens
from quicgw_fast.errors import SettingError

if TYPE_CHECKING:
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
        self.tls = None if files.tls is None else ServerTls(files.tls)
        self.hosts: tuple[str, ...] = ()
        self._use(files)

    def admin_guard(self, host: str, refusals: Refusals) -> AdminGuard:
        """Return the guard of admin pages that are served at ``host``."""
        return AdminGuard(self.admin, lambda: (host.lower(), *self.hosts), refusals)

    def check(self, files: AccessFiles) -> None:
        """Raise SettingError when ``reconfigure`` could not do it: a port is TLS or not for as long as it is open."""
        if (self.tls is None) != (files.tls is None):
            told = "control.cert: whether the gRPC port speaks TLS cannot change while it is open; restart the gateway"
            raise SettingError(("control", "cert"), told)
        if self.tls is not None and files.tls is not None and self.tls.mutual != (files.tls.client_ca is not None):
            told = (
                "control.client_ca: whether services need a certificate cannot change while the gRPC port is open; "
                "restart the gateway"
            )
            raise SettingError(("control", "client_ca"), told)

    def reconfigure(self, files: AccessFiles) -> None:
        """Go by these files from now on. Raises what ``check`` raises, and then nothing has changed."""
        self.check(files)
        self._use(files)

    def _use(self, files: AccessFiles) -> None:
        self.files = files
        self.grpc.replace(files.grpc)
        self.admin.replace(files.admin)
        self.hosts = files.hosts
        if self.tls is not None and files.tls is not None:
            self.tls.replace(files.tls)
