"""What happens to sessions, told in order to whoever watches: kept for a while, streamed, and sent by HTTP."""

from quicgw_fast.events.log import EventLog, SessionFacts
from quicgw_fast.events.outlets import EventOutlets
from quicgw_fast.events.webhooks import Webhooks, read_hooks

__all__ = ["EventLog", "EventOutlets", "SessionFacts", "Webhooks", "read_hooks"]
