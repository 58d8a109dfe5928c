"""Where the directory is, by ``cluster.url``, and how a connection to it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from quicgw_fast.config.values import without_password
from quicgw_fast.errors import ConfigError, needs_extra

with needs_extra("cluster", "the directory"):
    from valkey import exceptions
    from valkey.asyncio.connection import ConnectionPool

if TYPE_CHECKING:
    from valkey.asyncio.connection import AbstractConnection

_SENTINEL: Final = "sentinel"


@dataclass(frozen=True, slots=True)
class DirectoryAddress:
    """One server, or the Sentinels that know which one it is at the moment."""

    url: str

    def __str__(self) -> str:
        return without_password(self.url)

    @property
    def is_tls(self) -> bool:
        """Whether TLS is spoken with it."""
        return urlsplit(self.url).scheme in ("valkeys", "rediss")

    async def open(self) -> AbstractConnection:
        """Connect and log in; raises what the client library raises, in a time that the caller bounds."""
        parts = urlsplit(self.url)
        if parts.scheme == _SENTINEL:
            connection = await self._by_sentinel()
        else:
            connection = _made(self.url)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:  # the time was over while it logged in
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _by_sentinel(self) -> AbstractConnection:
        """The server that the first Sentinel to answer names: ``sentinel://user:password@host:port,…/service``."""
        parts = urlsplit(self.url)
        login, _, places = parts.netloc.rpartition("@")
        errors: list[str] = []
        for place in places.split(","):
            sentinel = _made(f"valkey://{place}")
            try:
                await sentinel.connect()  # type: ignore[no-untyped-call]
                await sentinel.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", unquote(parts.path.strip("/")))
                answer = await sentinel.read_response()
            except (OSError, exceptions.ValkeyError) as error:
                errors.append(f"{place}: {error}")
                continue
            finally:
                await sentinel.disconnect(nowait=True)
            if answer is not None:
                host, port = (part.decode() for part in answer)
                at = f"[{host}]" if ":" in host else host
                return _made(f"valkey://{f'{login}@' if login else ''}{at}:{port}")
            errors.append(f"{place}: it knows no {parts.path.strip('/')!r}")
        raise exceptions.ConnectionError("; ".join(errors))


def _made(url: str) -> AbstractConnection:
    """A connection that is not open yet. Nothing in it waits by its own: whoever asks bounds the whole."""
    try:
        pool = ConnectionPool.from_url(url, socket_timeout=None, lib_name=None, lib_version=None)
    except ValueError as error:
        raise ConfigError(f"cluster.url cannot be used: {error}") from error
    made: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
    return made
