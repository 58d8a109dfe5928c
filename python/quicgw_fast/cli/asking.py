"""One question to the admin address of a gateway, over HTTP."""

from __future__ import annotations

import http.client
import json
from typing import Any

from quicgw_fast.config import join_address, split_address
from quicgw_fast.errors import StartupError

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to connect to from here, for an address that is listened on everywhere."""


def ask_admin(method: str, address: str, path: str, timeout: float) -> tuple[int, Any]:
    """Return the status of the answer, and what it says as JSON; ``timeout`` in seconds.

    Raises StartupError when no gateway answers there.
    """
    host, port = split_address(address)
    connection = http.client.HTTPConnection(_HERE.get(host, host), port, timeout=timeout)
    try:
        connection.request(method, path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        where = join_address(host, port)
        raise StartupError(
            f"no answer from the admin address {where}: {error or type(error).__name__}; is a gateway there? "
            "Give its address with --admin, or its configuration with --config"
        ) from error
    finally:
        connection.close()
