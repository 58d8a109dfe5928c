"""``[events]`` and ``[webhook]``: who is told what happens to sessions (protocol §2)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from quicgw_fast.config.tables.base import File, Section
from quicgw_fast.config.values import Form, duration, number, shown

KindName: TypeAlias = Literal["ATTACHED", "RESUMED", "RESET", "LOGGED_IN", "DETACHED", "ENDED"]

_FORM = "write for example https://hooks.example/gateway"


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{shown(url)} is not a URL to send to; {_FORM}")
    if parts.username is not None or parts.fragment:
        raise ValueError(f"{shown(url)} must be without a user and without a fragment; {_FORM}")
    return url


Url = Annotated[str, AfterValidator(_checked_url), Form("URL", r"^https?://[^ ]+$")]


class EventsConfig(Section):
    """``[events]``: what is told of sessions to those who watch (``WatchEvents``)."""

    keep: Annotated[int, number(0, 10_000_000, "events")] = 10_000
    """How many are kept for watchers that come back or are slow, each some 600 bytes; with 0 nothing is told."""


class WebhookConfig(Section):
    """``[webhook]``: programs that are told by HTTP what happens to sessions; a part of it needs ``events.keep``."""

    live: ClassVar = frozenset({"urls", "kinds", "secret_file", "batch", "answer_within"})

    urls: Annotated[tuple[Url, ...], Field(examples=[["https://hooks.example/gateway"]])] = ()
    """Where events are sent to; each gets all of them, in order."""
    kinds: Annotated[tuple[KindName, ...], Field(examples=[["LOGGED_IN", "ENDED"]])] = ()
    """Those that are sent; all, unless some are named."""
    secret_file: Annotated[File | None, Field(examples=["webhook.secret"])] = None
    """The secret by which what is sent is signed; without one it is not signed."""
    batch: Annotated[int, number(1, 1000, "events")] = 100
    """How many are sent at once, at most."""
    answer_within: Annotated[float, duration("10ms", "5m")] = 10.0
    """How long an answer may take before it is tried again."""
