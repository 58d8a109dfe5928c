"""Whatever number is written for whatever key: a gateway serves with it, or says in a sentence why not."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quicgw_fast.client import ConnectionFailed, ReplyError, SessionReset, connect
from quicgw_fast.config import load
from quicgw_fast.config.models import SECTIONS
from quicgw_fast.config.values import Within
from quicgw_fast.demo.embedded import Certificate, embedded_gateway
from quicgw_fast.errors import ConfigError
from tests.cli.process import FREE, Gateway, assert_one_sentence, in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config import Config

BOUNDS: dict[tuple[str, str], Within] = {
    (name, key): next(one for one in known.metadata if isinstance(one, Within))
    for name, section in SECTIONS.items()
    for key, known in section.model_fields.items()
    if known.annotation in (int, float) and (name, key) != ("limits", "memory")
}
"""But what the process may take: the gateway is in that of the tests, which is no small one."""
WHOLE = {where for where in BOUNDS if SECTIONS[where[0]].model_fields[where[1]].annotation is int}
WAITS = {("drain", "delay")}
"""Left out: a gateway whose stop is to begin with an hour in which nothing changes does that."""
WILD = (
    *(
        0,
        -1,
        1,
        2**24 + 1,
        2**63,
        2**64,
        2**70,
        10**400,
        0.05,
        1e-320,
        1e12,
        1e16,
        1e308,
        math.inf,
        -math.inf,
        math.nan,
    ),
    *("0s", "1ms", "30000d", "100000d", "1TiB", "99999999TiB", "soon", "", "-1s", "1e9", "NaN", "9" * 5000, True),
)

pytestmark = pytest.mark.timeout(240)  # they start gateways, one of them sixty, and not every machine has time for that

BUSY = 5.0
"""Seconds that a busy machine may need for a login and a request."""


def values(where: tuple[str, str]) -> st.SearchStrategy[object]:
    bounds = BOUNDS[where]
    edges: list[st.SearchStrategy[object]] = [st.sampled_from((bounds.low, bounds.high)), st.sampled_from(WILD)]
    low, high = bounds.low, bounds.high
    inside = st.integers(int(low), int(high)) if where in WHOLE else st.floats(low, high)
    return st.one_of(inside, *edges)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, dict[str, object]]:
    """One to four keys with values that may be anything."""
    chosen: dict[str, dict[str, object]] = {}
    for where in draw(st.lists(st.sampled_from(sorted(BOUNDS.keys() - WAITS)), min_size=1, max_size=4, unique=True)):
        chosen.setdefault(where[0], {})[where[1]] = draw(values(where))
    return chosen


def toml(chosen: dict[str, dict[str, object]]) -> str:
    def written(value: object) -> str:
        if isinstance(value, float):
            return repr(value)
        return json.dumps(value) if not isinstance(value, int) or abs(value) < 10**300 else f"1{'0' * 400}"

    lines = []
    for name, table in chosen.items():
        lines += [f"[{name}]", *(f"{key} = {written(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def certificate() -> Iterator[Certificate]:
    with Certificate() as made:
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=tables())
def test_any_number_of_any_key(chosen: dict[str, dict[str, object]], certificate: Certificate) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.toml"
        path.write_text(toml(chosen), encoding="utf-8")
        try:
            config = load(path, {"server": {"quic": FREE, "grpc": FREE, "admin": FREE}})
        except ConfigError as refused:
            sentence = str(refused)
            assert "\n" not in sentence
            assert len(sentence) < 1000
            assert (
                any(f"{name}.{key}" in sentence for name, table in chosen.items() for key in table)
                or "TOML" in sentence
            )
            return
        asyncio.run(serve_one_request(config, certificate))


async def serve_one_request(config: Config, certificate: Certificate) -> None:
    """Start a gateway with ``config`` and have a client get its answer, or what short times lead to."""
    async with embedded_gateway(config, certificate) as gateway:
        client = connect(gateway.addresses.quic, openid="alice", ca=certificate.path, timeout=20, connect_timeout=20)
        try:
            async with client:
                reply = await client.call("echo", data=b"hello")
        except ReplyError as error:
            assert error.code == 504, error
            assert config.processor.task_timeout < BUSY
        except (SessionReset, ConnectionFailed):
            assert config.session.timeout < BUSY
        else:
            assert (reply.code, reply.data) == (200, b"hello")


REFUSED = (
    "session.timeout = 1e16",
    'session.resume_window = "100000d"',
    'session.heartbeat_interval = "30000d"',
    f"session.window_messages = {2**70}",
    f"session.memory = {2**64}",
    "limits.messages_per_second = inf",
    "limits.handshakes_per_second = inf",
    "processor.task_timeout = 1e12",
    f"processor.max_queue_size = {2**24 + 1}",
    'session.timeout = "1ms"',
    'session.timeout = "30s"\nsession.heartbeat_interval = "30s"',
)
"""What printed "ready" and then served nobody, or ended with a traceback."""


@pytest.mark.parametrize("line", REFUSED)
def test_what_served_nobody_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(line + "\n")
    for command in ("serve", "dev"):
        assert_one_sentence(in_process(command, "--config", str(path)), line.split()[0], str(path))


PATIENT = ("--timeout", "40s", "--connect-timeout", "15s")
"""Less than the time after which a rate of 0.05 lets in one more."""


@pytest.mark.parametrize("line", ["limits.handshakes_per_second = 0.05", "limits.handshakes_per_second = 0.001"])
def test_a_small_rate_lets_one_in(line: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(line + "\n")
    with Gateway("dev", "--config", str(path)) as gateway:
        done = in_process("call", "echo", "--data", "in", "--insecure", "--server", gateway.quic, *PATIENT)
        assert (done.returncode, done.stdout) == (0, "reply 2 200 ok\nin\n")


def test_every_number_is_drawn() -> None:
    known: list[Any] = [one for section in SECTIONS.values() for one in section.model_fields.values()]
    assert len(BOUNDS) + 1 == sum(one.annotation in (int, float) for one in known) > 25
