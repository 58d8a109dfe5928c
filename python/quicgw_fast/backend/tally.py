"""The accounts of a session, as both makers of the engine give them."""

from __future__ import annotations

from typing import NamedTuple


class Tally(NamedTuple):
    """What a session accepted for delivery, and what became of it.

    Of each kind accepted = delivered + lost + what is open, and of the notifies also + saved. What is open can be
    counted in the outbox: requests in flight, messages not acknowledged, bound and held notifies.
    """

    responses_accepted: int = 0
    """Requests that were accepted, and refusals."""
    responses_delivered: int = 0
    """Acknowledged by the client."""
    responses_lost: int = 0
    notifies_accepted: int = 0
    """Taken from a service; those whose original is kept elsewhere are in no account."""
    notifies_delivered: int = 0
    notifies_lost: int = 0
    notifies_saved: int = 0
    """Handed to the offline store when the session ended."""
