"""One question to the admin address of a gateway, over HTTP."""

from __future__ import annotations

import http.client
import json
from typing import Any

from quicgw_fast.config import join_address, split_address
from quicgw_fast.errors import StartupError

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to connect to from here, for an address that is listened on everywhere."""

_DOORS = (401, 403)
"""Statuses of who may not ask at all."""


def ask_admin(method: str, address: str, path: str, timeout: float, token: str | None = None) -> tuple[int, Any]:
    """Return the status of the answer, and what it says as JSON; ``timeout`` in seconds, ``token`` is an operator's.

    Raises StartupError when no gateway answers there, or it does not let us in.
    """
    host, port = split_address(address)
    connection = http.client.HTTPConnection(_HERE.get(host, host), port, timeout=timeout)
    headers = {"Connection": "close"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        status, said = answer.status, answer.read()
        if status not in _DOORS:
            return status, json.loads(said)
    except (OSError, http.client.HTTPException, ValueError) as error:
        where = join_address(host, port)
        raise StartupError(
            f"no answer from the admin address {where}: {error or type(error).__name__}; is a gateway there? "
            "Give its address with --admin, or its configuration with --config"
        ) from error
    finally:
        connection.close()
    told = said.decode(errors="replace").strip()
    advice = "; --token-file names one" if status == 401 else ""
    raise StartupError(f"the gateway at {join_address(host, port)} refuses: {told}{advice}")
