from __future__ import annotations

from tests.cluster.conftest import empty_server, shared_server
from tests.support.fixtures import certificate, parts

__all__ = ["certificate", "empty_server", "parts", "shared_server"]
