from __future__ import annotations

from tests.support.fixtures import certificate, empty_server, parts, shared_server, used_server

__all__ = ["certificate", "empty_server", "parts", "shared_server", "used_server"]
