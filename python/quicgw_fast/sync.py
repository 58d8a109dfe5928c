"""The client SDK for programs without an event loop: ``quicgw_fast.sync.connect`` and what it returns.

Names, arguments and errors are those of the client with an event loop; every call waits instead of being awaited.
"""

from quicgw_fast.client.blocking import SyncClient, connect

Client = SyncClient

__all__ = ["Client", "SyncClient", "connect"]
