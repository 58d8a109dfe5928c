"""The numbers and words of the wire: each set is one enum, and a code is one line of it (protocol §1 … §6).

A code carries what is to be known of it: the sentence that says when it is used, and whether the same may succeed
later (``retryable``). A new one is one line here; the tables of ``docs/protocol.md`` are compared with this file by
a test. Numbers that a peer sends need not be known here: ``is_final`` judges any close code by its range, and
``may_pass`` any error code.
"""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Final, Self

LATER: Final = True
"""The third column of a code: retryable, the same may succeed later without any change."""
ALARM: Final = True
"""The third column of a close code: somebody should look into it."""


class RequestType(IntEnum):
    """What a client's message is."""

    UNKNOWN = 0
    START = 1
    STOP = 2
    HEARTBEAT = 3
    BUSINESS = 4
    ACK = 5


class PushType(IntEnum):
    """What a message to the client is."""

    UNKNOWN = 0
    START_RESP = 1
    HEARTBEAT_RESP = 2
    BUSINESS_DATA = 3
    ERROR = 4


class ResetReason(IntEnum):
    """Why a resume was answered by a fresh session (protocol §5)."""

    NONE = 0
    UNKNOWN_SESSION = 1
    EXPIRED = 2
    OVERFLOW = 3
    EPOCH = 4
    FUTURE_ACK = 5
    NOT_RETAINED = 6
    NODE_LOST = 7


class SyncHint(IntEnum):
    """Where a notify belongs in relation to a response (protocol §4)."""

    IMMEDIATELY = 0
    BEFORE_RESPONSE = 1
    AFTER_RESPONSE = 2


class PushOutcome(IntEnum):
    """What became of a push whose sender wants to know (protocol §4)."""

    NOT_ASKED = 0
    ACKNOWLEDGED = 1
    PENDING = 2
    LOST = 3
    ACCEPTED = 4
    REFUSED = 5


class LostReason(IntEnum):
    """Why a push that was accepted will not be acknowledged any more (protocol §4)."""

    NONE = 0
    SESSION_ENDED = 1
    OVERFLOWED = 2
    REPLACED = 3
    BIND_EXPIRED = 4
    STORE_DROPPED = 5
    TTL = 6
    SUPERSEDED = 7


# What watchers are told


class LifecycleKind(IntEnum):
    """What happened to a session, as watchers are told (protocol §2)."""

    GAP = 0
    ATTACHED = 1
    RESUMED = 2
    RESET = 3
    LOGGED_IN = 4
    DETACHED = 5
    ENDED = 6


class GapReason(StrEnum):
    """Why a watcher cannot be told some events any more."""

    OUTRUN = "OUTRUN"
    OTHER_GATEWAY = "OTHER_GATEWAY"


# The replies to requests

OK: Final = 200
"""The code of a response that says yes, and of every notify (protocol §2, §4). Services choose their other codes."""


class _NumberCode(IntEnum):
    """A number with the columns of its line: a sentence, and a mark of which each set says what it means."""

    sentence: str
    marked: bool

    def __new__(cls, value: int, sentence: str = "", marked: bool = False) -> Self:
        """Keep the columns."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.sentence, code.marked = sentence, marked
        return code


class ErrorCode(_NumberCode):
    """Why a request gets an error for its reply (protocol §3)."""

    BAD_REQUEST = 400, "payload, type, number, header or a field of the request cannot be used"
    UNAUTHORIZED = 401, "not logged in, or the token is refused"
    FORBIDDEN = 403, "the state of the session forbids it"
    TOO_LARGE = 413, "the message is over the frame limit"
    RATE_LIMITED = 429, "over this session's rate, requests in flight, or their memory", LATER
    FAILED = (
        500,
        "the call of the service failed, a stop of the gateway broke it off, or its answer is over the frame limit",
        LATER,
    )
    OVERLOADED = (
        503,
        "queue, memory or calls of the service are full, no instance is known or in service, or the gateway stops",
        LATER,
    )
    DEADLINE_PASSED = 504, "the deadline of the request passed", LATER

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.marked

    @property
    def says_when(self) -> bool:
        """Whether it always carries the header ``retry-after-ms``: the request was not passed on to any service."""
        return self in (ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED)


def may_pass(code: int) -> bool:
    """Whether what was answered with this error code may succeed later; never for a code that nobody knows."""
    return code in ErrorCode.__members__.values() and ErrorCode(code).retryable


# The ends of connections


class CloseCode(_NumberCode):
    """QUIC application error codes (protocol §6). The reason phrase begins with the member's name."""

    NORMAL = 0, "the client said STOP"
    AUTH_FAILED = 0x101, "the token is refused", ALARM
    PROTOCOL_ERROR = 0x102, "the client broke the protocol", ALARM
    SUPERSEDED = 0x103, "a newer connection of the same client took over, or another device its place"
    KICKED = 0x104, "an operator ended the session"
    TOKEN_EXPIRED = 0x105, "the token ended; come back with a new one"
    ALREADY_ONLINE = 0x106, "another client of the openid is online, and its session is not taken over"
    IDLE = 0x201, "no message came for too long"
    OVERLOADED = 0x202, "the gateway has no room for the client, or the client sends too much", ALARM
    DRAINING = 0x203, "the gateway stops"
    SLOW_CONSUMER = 0x204, "the client does not take, acknowledge or send fast enough", ALARM
    INTERNAL = 0x205, "something failed that is not the client's fault", ALARM

    @property
    def alarming(self) -> bool:
        """Whether somebody should look into it when the gateway closes with it."""
        return self.marked

    @property
    def retryable(self) -> bool:
        """Whether the client may come back as it is."""
        return not is_final(self)

    def phrase(self, detail: str = "") -> str:
        """Return the reason phrase that goes with the code, for example ``IDLE: no message for 300 s``."""
        return f"{self.name}: {detail}" if detail else self.name


_FINAL = range(0x100, 0x200)


def is_final(code: int) -> bool:
    """Whether a close code of the gateway says "do not come back as you are", also one that nobody knows."""
    return code == CloseCode.NORMAL or code in _FINAL


OTHER_CLOSE = "OTHER"
"""What a close is called whose code the protocol does not know: clients may close with any."""

_CLOSES = {int(code): code.name for code in CloseCode}


def close_name(code: int) -> str:
    """Return what the protocol calls the code of a close."""
    return _CLOSES.get(code, OTHER_CLOSE)


class HandshakeFault(Enum):
    """Why a handshake came to nothing."""

    ALPN = "alpn"
    """The client offers another application protocol, or none."""
    TLS = "tls"
    """Any other TLS alert, of either side: mostly a client that does not trust the certificate."""
    TIMEOUT = "timeout"
    """The client went silent."""
    LEFT = "left"
    """The client closed without an error."""
    PROTOCOL = "protocol"
    """The client broke a rule of QUIC."""


# The gateway's answers to services


class _RefusalCode(StrEnum):
    """The ``error_code`` of a refusal."""

    sentence: str
    retryable: bool

    def __new__(cls, value: str, sentence: str = "", retryable: bool = False) -> Self:
        """Keep the columns of a member's line."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.sentence, code.retryable = sentence, retryable
        return code


class PushCode(_RefusalCode):
    """Why a push is refused to its sender (protocol §4); also ``BindCode`` and ``StoreCode``."""

    BAD_TARGET = "BAD_TARGET", "target_type is unknown"
    BAD_SYNC_HINT = "BAD_SYNC_HINT", "sync_hint is unknown"
    SESSION_REQUIRED = (
        "SESSION_REQUIRED",
        "the openid has several sessions, and it is not clear which one asked: name that",
    )
    TARGET_NOT_FOUND = "TARGET_NOT_FOUND", "there is no such session, and nothing is kept for it", LATER
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE", "the notify is over the frame limit"
    WINDOW_FULL = "WINDOW_FULL", "the client has too much that it did not acknowledge", LATER
    CACHE_FULL = "CACHE_FULL", "too much waits for the login of the session", LATER
    DRAINING = "DRAINING", "the gateway stops, and the client would never get it", LATER
    BAD_OPTIONS = (
        "BAD_OPTIONS",
        "wait_ack_ms, idempotency_key, ttl_ms, supersede_key or cursor cannot be used like this",
    )
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT", "another push came with this key for this target"
    RECEIPT_LIMIT = "RECEIPT_LIMIT", "too many pushes wait for their acknowledgement, of the client or in all", LATER
    BAD_GROUP = "BAD_GROUP", "the name of the group is empty, too long or not printable"
    GROUP_LIMIT = "GROUP_LIMIT", "the session is in too many groups, or there are too many memberships in all", LATER
    MOVED = "MOVED", "the session goes from one node to another at the moment", LATER
    NODE_UNREACHABLE = "NODE_UNREACHABLE", "the node that has the session does not answer", LATER
    DIRECTORY_UNAVAILABLE = "DIRECTORY_UNAVAILABLE", "nobody knows which node has the session", LATER


class BindCode(_RefusalCode):
    """Why a notify cannot be bound to a request (protocol §4). Both engines refuse with exactly these."""

    SEQ_REQUIRED = "BIND_SEQ_REQUIRED", "bind_client_seq_id is missing"
    RESPONSE_ALREADY_SENT = "RESPONSE_ALREADY_SENT", "it should go before a response that is gone"
    LIMIT = (
        "BIND_LIMIT",
        "too much is bound to the request, to the session, or in all, or it could not go out with its reply",
        LATER,
    )


class StoreCode(_RefusalCode):
    """Why the offline store does not keep a push."""

    FULL = "STORE_FULL", "the bound of the openid, or of the whole store, is reached", LATER
    TOO_LARGE = "STORE_TOO_LARGE", "the message alone is over a bound"
    BUSY = "STORE_BUSY", "more waits to be written than the disk, or the directory, takes", LATER
    FAILED = "STORE_FAILED", "the disk, or the directory, did not take it", LATER
    CLOSED = "STORE_CLOSED", "the gateway stops", LATER


class RegisterCode(_RefusalCode):
    """Why an instance is not registered, or not taken out."""

    BAD_ADDRESS = "BAD_ADDRESS", "the address cannot be called"
    OWN_ADDRESS = "OWN_ADDRESS", "the address is the gateway itself, under whatever name"
    NOT_ALLOWED = "NOT_ALLOWED", "no service may be registered at that address (upstream.allow)"
    UNKNOWN_HOST = "UNKNOWN_HOST", "the host's name cannot be looked up", LATER
    BAD_SERVICE = "BAD_SERVICE", "service_name is unknown"
    BAD_ZONE = "BAD_ZONE", "zone_id is unknown"
    DIRECTORY_FULL = "DIRECTORY_FULL", "the service has 64 instances, and all are connected", LATER
    NOT_REGISTERED = "NOT_REGISTERED", "it was not registered for this service"
    CONFIGURED = "CONFIGURED", "the configuration names it, so nobody can take it out"
