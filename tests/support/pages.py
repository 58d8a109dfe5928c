"""The admin pages of a gateway, as a program asks for them."""

from __future__ import annotations

import asyncio


async def page(address: str, path: str) -> tuple[int, str]:
    """GET a page; returns the status and the body."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body


async def readiness(address: str) -> tuple[int, str]:
    """Return the status of /readyz, and the reason that it gives."""
    status, body = await page(address, "/readyz")
    return status, "" if status == 200 else body.strip()
