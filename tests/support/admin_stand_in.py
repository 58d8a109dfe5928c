"""A stand-in of the admin pages that shows what a test wants: a calm gateway, a busy one, one in trouble.

The server, its guard and the page at ``/`` are the real ones; the numbers are made up.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quicgw_fast.control import web_pages
from tests.control.doors import access_of, start_admin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from quicgw_fast.control import AdminServer

BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
STAGES = {"decode": 2e-5, "queue": 1e-4, "upstream": 2e-3, "reply": 4e-5, "flush": 1e-4, "total": 2.3e-3}
LONG = "an-openid-that-somebody-made-very-long-" * 5 + "<b>&amp;"


class StandIn:
    """What the pages tell; a test changes it while they are asked."""

    def __init__(self) -> None:
        self.load = 0.0
        """Requests per second."""
        self.seconds = 0
        """Of history."""
        self.sessions: list[dict[str, Any]] = []
        self.upstreams: list[dict[str, Any]] = []
        self.rules: list[dict[str, Any]] = [rule("connection", "full"), rule("request", "message-rate")]
        self.absent: set[str] = set()
        """Paths that this gateway does not have."""
        self._began = time.time()

    @classmethod
    def calm(cls) -> StandIn:
        """Just started, and nobody is there."""
        return cls()

    @classmethod
    def busy(cls, sessions: int = 200) -> StandIn:
        """Five minutes under load, with an instance that is out, refusals and sessions with long names."""
        made = cls()
        made.load, made.seconds = 1200.0, 300
        made.sessions = [session(n) for n in range(sessions)]
        made.upstreams = [
            upstream("hello", "127.0.0.1:9001"),
            upstream("business", "127.0.0.1:9002", calls=3_482_113, under_way=14),
            upstream("business", "127.0.0.2:9002", calls=912_554, failures=1204, **EJECTED),
            upstream("zone", "zone.internal.example.localhost:9003", calls=88, drained=True),
        ]
        made.rules = [
            rule("request", "message-rate", 48_211),
            rule("queue", "queue-delay", 9_310),
            rule("request", "in-flight", 1_044),
            rule("connection", "handshake-rate", 12, near=True),
            rule("start", "guessed-tokens", 3),
            rule("call", "concurrency", 0, would_reject=77),
        ]
        return made

    async def start(self, *, port: int = 0, token_file: Path | None = None) -> AdminServer:
        """Serve on loopback; a token of the file is asked for."""
        answers: dict[str, Callable[[Request], Any]] = {
            "/performance": lambda _: self._performance(),
            "/latency": lambda _: self._latency(),
            "/sessions": self._list,
            "/sessions/{id}": self._one,
            "/upstreams": lambda _: {"version": 1, "at": time.time(), "upstreams": self.upstreams},
            "/overload": lambda _: {"rules": self.rules},
            "/stats": lambda _: {"makers": {"engine": "rust", "transport": "quinn", "upstream": "native"}},
        }
        pages = [Route(path, self._page(path, answer)) for path, answer in answers.items()]
        return await start_admin([*pages, *web_pages()], port=port, access=access_of(admin_token_file=token_file))

    def _page(self, path: str, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def page(request: Request) -> Response:
            said = None if path in self.absent else answer(request)
            if said is None:
                error = {"code": "not_found", "message": "there is nothing of that name", "hint": ""}
                return JSONResponse({"error": error}, 404)
            return JSONResponse(said)

        return page

    def _performance(self) -> dict[str, Any]:
        now = time.time()
        history = [self._row(now - self.seconds + n + 1) for n in range(self.seconds)]
        attached = sum(each["attached"] for each in self.sessions)
        totals = {"requests": 4_394_755, "replies": 4_394_723, "notifies": 601_222, "refused": 58_580}
        return {
            "version": 1,
            "at": now,
            "uptime": now - self._began + self.seconds,
            "totals": (totals if self.load else dict.fromkeys(totals, 0)) | {"bytes_in": 0, "bytes_out": 0},
            "sessions": {"attached": attached, "detached": len(self.sessions) - attached},
            "queue": {"length": int(self.load * 7), "capacity": 10_000, "workers": 8, "busy": min(8, int(self.load))},
            "process": {"cpu": 0.02 + self.load / 2e3, "memory": 134 << 20, "descriptors": 241, "loop_lag": 0.0021},
            "history": history,
        }

    def _row(self, at: float) -> dict[str, Any]:
        wave = 1 + 0.25 * math.sin(at / 23) + 0.12 * math.sin(at / 3.1) + 0.05 * math.sin(at * 1.7)
        rate = round(self.load * wave)
        burst = max(0.0, math.sin(at / 31) - 0.8) * 5
        return {
            "at": at, "requests": rate, "replies": rate - 2, "notifies": round(rate / 7 * (1 + math.sin(at / 40) / 2)),
            "refused": round(self.load / 8 * burst), "sessions": len(self.sessions), "queue": round(self.load * burst),
            "cpu": 0.5 * wave, "memory": (120 << 20) + int((at % 300) * 50_000),
            "loop_lag": 0.001 * wave + 0.01 * burst,
        }  # fmt: skip

    def _latency(self) -> dict[str, Any]:
        now, columns = time.time(), self.seconds // 5
        history = []
        for n in range(columns):
            middle = 2.2 + 1.3 * math.sin(n / 6) + (2.5 if 30 < n < 36 else 0)
            counts = [int(self.load * 5 * math.exp(-((row - middle) ** 2) / 1.6)) for row in range(len(BOUNDS) + 1)]
            history.append({"at": now - (columns - n - 1) * 5, "counts": counts})
        scale = 1 if self.load else 0
        stages = {
            name: {"count": 4_394_723 * scale, "mean": p * 1.3, "p50": p, "p95": p * 3, "p99": p * 9}
            for name, p in STAGES.items()
        }
        for stage in list(stages.values()):
            stage["recent"] = dict(stage) | {"count": int(self.load * 60)}
        return {"version": 1, "stages": stages, "bounds": BOUNDS, "history": history}

    def _list(self, request: Request) -> dict[str, Any]:
        asked = request.query_params
        found = [each for each in self.sessions if all(map(each_has(each), asked.items()))]
        first, limit = int(asked.get("cursor", 0)), int(asked.get("limit", 50))
        more = str(first + limit) if first + limit < len(found) else None
        return {
            "version": 1,
            "at": time.time(),
            "sessions": found[first : first + limit],
            "next": more,
            "total": len(found),
        }

    def _one(self, request: Request) -> dict[str, Any] | None:
        found = [each for each in self.sessions if each["id"] == request.path_params["id"]]
        return {**found[0], "at": time.time(), "events": events(found[0]["since"])} if found else None


EJECTED = {"state": "ejected", "reason": "fails 31 % of its calls", "ejected_until": time.time() + 95}


def each_has(one: dict[str, Any]) -> Callable[[tuple[str, str]], bool]:
    """Whether a session is what one parameter of a search asks for."""

    def has(parameter: tuple[str, str]) -> bool:
        name, value = parameter
        if name == "q":
            return any(value in str(one[field]) for field in ("openid", "gid", "address"))
        if name == "state" and value in {"attached", "detached"}:
            return one["attached"] is (value == "attached")
        return name not in one or value == str(one[name])

    return has


def session(n: int) -> dict[str, Any]:
    """One session of a list; every 29th has a very long openid, every 7th is detached."""
    now = time.time()
    return {
        "id": f"{n:032x}", "openid": LONG if n % 29 == 3 else f"player-{n:05}", "gid": str(70_000 + n),
        "zone": 1 + n % 6, "state": "NORMAL" if n % 11 else "INITED", "attached": n % 7 != 2,
        "address": f"127.0.{n % 9}.1:{40_000 + n}", "transport": "quinn", "since": now - 60 - 37 * n,
        "last_activity": now - n % 13, "window_messages": n % 5, "window_bytes": 300 * (n % 5), "in_flight": n % 3,
    }  # fmt: skip


def upstream(service: str, address: str, **known: Any) -> dict[str, Any]:
    """One instance; well and without a call unless something else is said."""
    return {
        "service": service, "address": address, "state": "well", "reason": "", "under_way": 0, "calls": 20,
        "failures": 0, "latency": {"p50": 0.0019, "p99": 0.0214}, "ejected_until": None, "lease": None,
        "drained": False, **known,
    }  # fmt: skip


def rule(moment: str, name: str, refused: int = 0, *, would_reject: int = 0, near: bool = False) -> dict[str, Any]:
    """One rule of overload."""
    return {"moment": moment, "rule": name, "mode": "enforce", "bounds": {}, "refused": refused} | {
        "would_reject": would_reject,
        "near": near,
    }


def events(since: float) -> list[dict[str, Any]]:
    """What a flight recorder has: a login, requests, one of them too late, a notify."""
    script: list[tuple[float, str, str, int | None, int, float | None, str, int | None]] = [
        (0.0, "up", "start", 0, 0, None, "started", None),
        (0.01, "up", "request", 1, 48, None, "", None),
        (0.0153, "down", "reply", 1, 73, 0.0053, "200", 1),
        (0.0154, "up", "ack", 1, 8, None, "", None),
        (4.2, "up", "request", 2, 512, None, "", None),
        (4.2021, "down", "reply", 2, 844, 0.0021, "200", 2),
        (4.3, "down", "notify", 3, 120, None, "sent", None),
        (9.1, "up", "request", 3, 2048, None, "", None),
        (39.1, "down", "error", 4, 77, 30.0, "504", 3),
        (39.2, "up", "heartbeat", None, 12, None, "", None),
        (39.9, "up", "close", None, 0, None, "NORMAL", None),
    ]
    names = ("direction", "kind", "number", "size", "duration", "outcome", "request")
    return [{"at": since + after, **dict(zip(names, rest, strict=True))} for after, *rest in script]
