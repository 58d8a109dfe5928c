"""Who is there: lists of sessions, one with its flight recorder, and an end for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import failed
from quicgw_fast.control.pages.bodies import BadBodyError, read_object
from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation, Parameter
from quicgw_fast.control.pages.queries import BadQueryError, whole
from quicgw_fast.control.pages.scope import SCOPE, behind_id, place
from quicgw_fast.errors import NodesUnreached

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.routing import Route

    from quicgw_fast.control.pages.scope import Scope

LONGEST_REASON: Final = 128
"""Characters; it goes into the phrase of the close, which has to fit into one packet."""
KEYS: Final = ("openid", "session_id")
KNOWN: Final = frozenset({*KEYS, "reason"})
EXACT: Final = ("openid", "gid", "address", "state")
SEARCHES: Final = ("q", *EXACT)
STATES: Final = ("INITED", "NORMAL", "ATTACHED", "DETACHED")
USUAL: Final = 100
MOST: Final = 500
"""Sessions of a page; one of so many takes two milliseconds to write."""


class SessionView(TypedDict):
    """One session."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    id: str
    """Also ``connection_id`` of START_RESP."""
    node: str
    """Which one of a cluster has it; empty for a gateway that is alone."""
    openid: str
    """Whom its client is authenticated as."""
    gid: str
    """As its login service answered, as is the zone; empty before."""
    zone: str
    state: Literal["INITED", "NORMAL", "CLOSED"]
    """How far its client has come; CLOSED for one that has ended."""
    attached: bool
    """Whether a client is there."""
    address: str
    """Of its client, also after that has gone."""
    transport: str
    """Who does QUIC."""
    since: float
    """When it began, in seconds since 1970."""
    last_activity: float
    """When its client last sent anything, in seconds since 1970."""
    window_messages: int
    """Messages that are not acknowledged."""
    window_bytes: int
    """Their bytes."""
    in_flight: int
    """Requests without a reply."""


class SessionList(TypedDict):
    """A page of sessions, in the order in which they came to the gateway; those of a cluster by their ids."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    at: float
    """Now, in seconds since 1970, by the clock by which the moments below are written."""
    sessions: list[SessionView]
    next: str | None
    """``cursor`` of the page behind this one; null: there is none."""
    total: int
    """How many are wanted, on all pages."""
    unreached_nodes: list[str]
    """Nodes that did not answer, whose sessions are not among them."""


EventKind: TypeAlias = Literal[
    "start", "request", "ack", "heartbeat", "stop", "other", "reply", "error", "notify", "broadcast", "group", "close"
]


class SessionEvent(TypedDict):
    """An envelope, or what became of a connection; never what was in it."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    at: float
    """Seconds since 1970."""
    direction: Literal["up", "down"]
    """Up is from the client."""
    kind: EventKind
    number: int | None
    """The client's of a request, the acknowledged one of an ack; of what goes down the highest one given by then."""
    size: int
    """Bytes of the message; of what goes down those of its data."""
    duration: float | None
    """Seconds from the acceptance of the request on."""
    outcome: str
    """The code of a reply or error, what became of a notify, to which group one went, how a connection began or
    ended."""
    request: int | None
    """The number of the request that a reply or error belongs to."""


class GroupMembership(TypedDict):
    """A group that the session is in."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    name: str
    ends_at: float | None
    """When it leaves by itself, in seconds since 1970; null: when the session ends."""


class SessionWithEvents(SessionView):
    """One session with its groups and its flight recorder."""

    version: int
    """Of this shape: 1."""
    at: float
    """Now, in seconds since 1970."""
    groups: list[GroupMembership]
    """In the order in which it joined them; none any more for one that has ended."""
    events: list[SessionEvent]
    """The last ones (``session.flight_recorder``), oldest first."""


class KickBody(TypedDict, total=False):
    """Whose session is to end: one of the two."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    openid: str
    session_id: str
    reason: str
    """Goes to the client: one line of at most 128 ASCII characters."""


class KickAnswer(TypedDict):
    """What has ended."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    kicked: int
    """Sessions: all of the openid, or the one with that id."""


KICK: Final = Operation(
    "POST", "End all sessions of an openid, or one by its id: their clients are closed with KICKED", KickAnswer,
    body=KickBody, errors={400: "The body says nothing that means anything here", 404: "There is no such session",
    503: "There is none here, but there may be one at a node that does not answer"},
)  # fmt: skip
_SENT: Final = '{"openid": "alice", "reason": "why"} or {"session_id": "…"}'
FIND: Final = Operation(
    "GET", "Sessions, one page after the other", SessionList,
    parameters=(
        Parameter("q", "A part of an id, openid, gid or address", example="ali"),
        Parameter("openid", "Exactly this one", example="alice"),
        Parameter("gid", "Exactly this one", example="g1"),
        Parameter("address", "Of the client, with or without its port", example="127.0.0.1"),
        Parameter("state", "How far the client has come, or whether it is there", {"enum": [*STATES]}, "NORMAL"),
        Parameter("limit", "Sessions of a page; 500 at most", {"type": "integer", "minimum": 1, "default": USUAL}, "5"),
        Parameter("cursor", "`next` of the page before", {"type": "string", "pattern": "^[0-9a-f]+$"}, "0"),
        SCOPE,
    ),
    errors={400: "A parameter is not known, or its value means nothing"},
)  # fmt: skip
ONE: Final = Operation(
    "GET", "One session with its flight recorder, also for a while after its end", SessionWithEvents,
    parameters=(Parameter("id", "The session's", example="0" * 32), SCOPE),
    errors={400: "A parameter is not known, or its value means nothing",
    404: "There is no such session, and none is remembered",
    503: "There is none here, but there may be one at a node that does not answer"},
)  # fmt: skip


class Kick(Protocol):
    """How a session is ended by an operator."""

    async def __call__(self, *, openid: str, session_id: str, reason: str) -> int:
        """End the live sessions with that openid or id, one of which is empty; return how many there were.

        Raises NodesUnreached where a node that does not answer may have it.
        """


class Views(Protocol):
    """How sessions are looked at."""

    async def find(self, wanted: dict[str, str], after: int, limit: int) -> dict[str, Any]:
        """Return a ``SessionList`` of those behind the place ``after``."""

    def one(self, session_id: str) -> dict[str, Any] | None:
        """Return a ``SessionWithEvents``, None where there is none."""


def session_pages(kick: Kick, views: Views, scope: Scope) -> list[Route]:
    """Return /sessions, /sessions/{id} and /sessions/kick."""

    async def end(request: Request) -> Response:
        try:
            wanted = _wanted(await read_object(request))
        except BadBodyError as error:
            return error.answer(f"send {_SENT}")
        try:
            kicked = await kick(**wanted)
        except NodesUnreached as error:
            return _unreached(error)
        if not kicked:
            return failed(404, "NOT_FOUND", "there is no such session", "GET /sessions lists those that live")
        return JSONResponse({"kicked": kicked})

    async def find(request: Request) -> Response:
        wanted, limit = _query(request.query_params)
        of_all = scope.asked(request.query_params)
        if of_all is not None:
            return JSONResponse(await of_all.find(wanted, behind_id(request.query_params), limit))
        return JSONResponse(await views.find(wanted, place(request.query_params, -1), limit))

    async def one(request: Request) -> Response:
        session_id, of_all = request.path_params["id"], scope.asked(request.query_params)
        try:
            found = views.one(session_id) if of_all is None else await of_all.one(session_id)
        except NodesUnreached as error:
            return _unreached(error)
        if found is None:
            hint = "GET /sessions lists those that live; ended ones are remembered for session.resume_window"
            return failed(404, "NOT_FOUND", "there is no such session", hint)
        return JSONResponse(found)

    return [
        DescribedRoute("/sessions/kick", end, KICK),
        DescribedRoute("/sessions", find, FIND),
        DescribedRoute("/sessions/{id}", one, ONE),
    ]


def _unreached(error: NodesUnreached) -> Response:
    return failed(503, "NODE_UNREACHABLE", str(error), "ask again when it answers, or when its lease is over")


def _query(given: QueryParams) -> tuple[dict[str, str], int]:
    """Return what is wanted, and how many; BadQueryError."""
    for name in EXACT:
        if given.get(name) == "":  # it would be everybody's sessions, in place of one's
            raise BadQueryError(name, "", f"write a value, or leave {name} out to find all")
    wanted = {name: given[name] for name in SEARCHES if given.get(name)}
    state = wanted.get("state")
    if state is not None:
        wanted["state"] = state.upper()
        if wanted["state"] not in STATES:
            raise BadQueryError("state", state, f"write one of {', '.join(STATES)}")
    limit = whole(given, "limit", USUAL, least=1, hint="write how many are wanted; more than 500 come in pages")
    return wanted, min(limit, MOST)


def _wanted(body: dict[str, Any]) -> dict[str, str]:
    """Check what was sent; BadBodyError."""
    unknown = sorted(set(body) - KNOWN)
    if unknown:
        raise BadBodyError(f"unknown: {', '.join(unknown)[:64]}; known: {', '.join(sorted(KNOWN))}")
    if not all(isinstance(value, str) for value in body.values()):
        raise BadBodyError("every value must be a string")
    if sum(bool(body.get(key)) for key in KEYS) != 1:
        raise BadBodyError("exactly one of openid and session_id is needed")
    reason = body.get("reason", "")
    if len(reason) > LONGEST_REASON or not reason.isprintable() or not reason.isascii():
        raise BadBodyError(f"reason must be one line of at most {LONGEST_REASON} ASCII characters")
    return {"openid": body.get("openid", ""), "session_id": body.get("session_id", ""), "reason": reason}
