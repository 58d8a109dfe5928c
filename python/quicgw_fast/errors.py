"""Errors that more than one stage raises or handles."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quicgw_fast.codes import ErrorCode


class GatewayError(Exception):
    """Base of everything that this package raises on purpose."""


class StartupError(GatewayError):
    """The gateway cannot start; the message says what is wrong, where, and what to do. The command exits with 3."""


class ConfigError(StartupError):
    """A configuration key, value or file cannot be used."""


class SettingError(ConfigError):
    """The value of one key cannot be used, as whoever reads it found; where it is written, ``config.located`` adds."""

    def __init__(self, key: tuple[str, ...], message: str) -> None:
        """``key`` is ``("session", "timeout")`` for ``session.timeout``, which ``message`` names, too."""
        super().__init__(message)
        self.key = key

    @property
    def each(self) -> tuple[SettingError, ...]:
        """Itself, or the several that it stands for."""
        return (self,)


class SettingErrors(SettingError):
    """Values of several keys that cannot be used, all in one message; its key is that of the first."""

    def __init__(self, each: Sequence[SettingError]) -> None:
        super().__init__(each[0].key, "; ".join(map(str, each)))
        self._each = tuple(each)

    @property
    def each(self) -> tuple[SettingError, ...]:
        """See ``SettingError``."""
        return self._each


class ExtraMissing(StartupError, ImportError):
    """Packages are needed that `pip install quicgw-fast` alone does not bring; the message says how to get them."""

    def __init__(self, what: str, missing: str, extra: str) -> None:
        super().__init__(f'{what} needs {missing}: pip install "quicgw-fast[{extra}]"')
        self.missing = missing


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Import packages of an extra, of which ``what`` is made: raises ExtraMissing where one is not installed.

    Of two around each other the outer one knows what the program is after.
    """
    try:
        yield
    except ExtraMissing as error:
        raise ExtraMissing(what, error.missing, extra) from error
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        # Our own modules are no package to install, and metadata that is not there (the same class) is no module.
        if missing == __name__.partition(".")[0] or type(error) is not ModuleNotFoundError:
            raise
        raise ExtraMissing(what, missing, extra) from error


@contextmanager
def about(*key: str) -> Iterator[None]:
    """Make a ConfigError one of the setting ``key``, unless it is of another one."""
    try:
        yield
    except SettingError:
        raise
    except ConfigError as error:
        raise SettingError(key, str(error)) from error


RETRY_AFTER_MS = 1000
"""What the header ``retry-after-ms`` says when nobody knows better."""


class AnsweredError(GatewayError):
    """Base of what a client is told by a PUSH_ERROR: a code, a message, and a detail for whoever reads the log."""

    def __init__(self, said: str, code: ErrorCode, message: str, detail: str) -> None:
        super().__init__(said)
        self.code = code
        self.message = message
        self.detail = detail

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with the error."""
        return {}


class RequestError(AnsweredError):
    """A request that gets an error for its reply (protocol §3).

    ``retry_after_ms`` becomes the header ``retry-after-ms``, which some codes always have (``ErrorCode.says_when``),
    and ``error_code`` the header ``error-code``.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        detail: str = "",
        *,
        retry_after_ms: int | None = None,
        error_code: str = "",
    ) -> None:
        super().__init__(f"{code} {message}: {detail}" if detail else f"{code} {message}", code, message, detail)
        self.error_code = error_code
        self.retry_after_ms = RETRY_AFTER_MS if retry_after_ms is None and code.says_when else retry_after_ms

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with the error."""
        named = {"error-code": self.error_code} if self.error_code else {}
        return named if self.retry_after_ms is None else {**named, "retry-after-ms": str(self.retry_after_ms)}


class WatchRefused(GatewayError):
    """Events cannot be watched as somebody asks for it; the message says why."""


class NodesUnreached(GatewayError):
    """What is asked for is not here, and other nodes of the cluster, which may have it, do not answer."""

    def __init__(self, nodes: Sequence[str]) -> None:
        """``nodes`` are their names."""
        super().__init__(f"there is none here, and no answer from {', '.join(nodes)}")


class NoSuchNode(GatewayError):
    """No node of the cluster is called so."""

    def __init__(self, named: str) -> None:
        super().__init__(f"no node of the cluster is called {named[:64]!r}")


class SeveralNodes(GatewayError):
    """Several nodes of the cluster are called so."""

    def __init__(self, named: str, nodes: Sequence[str]) -> None:
        """``nodes`` are their full names."""
        super().__init__(f"several nodes are called {named[:64]!r}: {', '.join(nodes)}")


class BusyError(RequestError):
    """A rule of overload refused to have a service called. Another try may find room, if the code says so."""


class ProtocolError(AnsweredError):
    """A peer broke the protocol in a way that ends its connection with PROTOCOL_ERROR.

    The client is told by a last PUSH_ERROR; ``msg_id`` is that of the offending request.
    """

    def __init__(self, code: ErrorCode, message: str, detail: str = "", *, msg_id: int = 0) -> None:
        super().__init__(f"{message}: {detail}" if detail else message, code, message, detail)
        self.msg_id = msg_id
