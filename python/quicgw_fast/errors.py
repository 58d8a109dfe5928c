"""Errors that more than one stage raises or handles."""

from __future__ import annotations


class GatewayError(Exception):
    """Base of everything that this package raises on purpose."""


class StartupError(GatewayError):
    """The gateway cannot start; the message says what is wrong, where, and what to do. The command exits with 3."""


class ConfigError(StartupError):
    """A configuration key, value or file cannot be used."""


class RequestError(GatewayError):
    """A request that gets an error for its reply (contract §3).

    ``code`` is the error code, ``message`` goes to the client, ``detail`` too; ``retry_after_ms`` becomes the
    header ``retry-after-ms`` when it is not None.
    """

    def __init__(self, code: int, message: str, detail: str = "", *, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{code} {message}: {detail}" if detail else f"{code} {message}")
        self.code = code
        self.message = message
        self.detail = detail
        self.retry_after_ms = retry_after_ms

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with the error."""
        return {} if self.retry_after_ms is None else {"retry-after-ms": str(self.retry_after_ms)}


class ProtocolError(GatewayError):
    """A peer broke the protocol in a way that ends its connection with PROTOCOL_ERROR.

    ``code`` and the message go to the client as a last PUSH_ERROR; ``msg_id`` is that of the offending request.
    """

    def __init__(self, code: int, message: str, detail: str = "", *, msg_id: int = 0) -> None:
        super().__init__(f"{message}: {detail}" if detail else message)
        self.code = code
        self.message = message
        self.detail = detail
        self.msg_id = msg_id
