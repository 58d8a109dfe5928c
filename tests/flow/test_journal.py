"""How beginnings and ends are counted and told; nothing here depends on who decided them."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import OTHER_CLOSE, CloseCode
from quicgw_fast.flow.journal import Journal
from quicgw_fast.observe import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flow.house import House


@pytest.fixture(autouse=True)
def _everything_is_heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "quicgw.session"):
        yield


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [r for r in caplog.records if r.name == "quicgw.session" and r.getMessage() == event]


def counted(house: House, who: str) -> dict[str, int]:
    """The codes with which connections were closed by ``who``, and how often."""
    return {name: count for name, count in house.stats("closes")[who].items() if count}


async def test_it_says_how_each_session_began(house: House, caplog: pytest.LogCaptureFixture) -> None:
    client = house.started("alice")
    client.link.lose()
    await house.pass_time(61.0)  # so long one openid's lines are told together
    house.back(client, 0)
    other = house.connect("192.0.2.9:1")
    other.start("bob", 0, "nobody's")
    told = [(vars(r)["openid"], vars(r)["how"]) for r in lines(caplog, "session attached")]
    assert told == [("alice", "started"), ("alice", "resumed"), ("bob", "reset (UNKNOWN_SESSION)")]
    assert vars(lines(caplog, "session attached")[-1])["peer"] == "192.0.2.9:1"


@pytest.mark.parametrize(
    ("code", "name", "told"),
    [(CloseCode.NORMAL, "NORMAL", "NORMAL"), (CloseCode.IDLE, "IDLE", "IDLE"), (0x7777, OTHER_CLOSE, "0x7777")],
)
async def test_a_client_may_close_with_any_code(
    house: House, caplog: pytest.LogCaptureFixture, code: int, name: str, told: str
) -> None:
    house.started().link.lose(code)
    assert counted(house, "client") == {name: 1}
    assert counted(house, "gateway") == {}
    (line,) = lines(caplog, "disconnected")
    assert (vars(line)["close"], vars(line)["by"], line.levelno) == (told, "client", logging.INFO)


@pytest.mark.parametrize("code", CloseCode)
async def test_what_the_gateway_closes_is_a_warning_where_somebody_should_look(
    house: House, caplog: pytest.LogCaptureFixture, code: CloseCode
) -> None:
    client = house.started()
    client.conversation.close(code, "my reasons")
    await house.settle()
    assert counted(house, "gateway") == {code.name: 1}
    (line,) = lines(caplog, "disconnected")
    assert line.levelno == (logging.WARNING if code.alarming else logging.INFO)
    assert (vars(line)["close"], vars(line)["detail"], vars(line)["by"]) == (code.name, "my reasons", "gateway")
    assert vars(line)["openid"] == "alice"


async def test_of_a_connection_without_a_session_the_peer_is_told(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.connect("192.0.2.7:9").link.lose()
    (line,) = lines(caplog, "disconnected")
    assert vars(line)["peer"] == "192.0.2.7:9"
    assert not hasattr(line, "openid")


def test_thousands_of_reconnects_are_no_thousands_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    journal = Journal(metrics)
    for number in range(10_000):
        now = number / 2000
        address = f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:1"
        session = SimpleNamespace(
            id=f"s{number}",
            openid=f"user-{number}",
            trail=None,
            ids={"session": f"s{number}", "openid": f"user-{number}"},
        )
        journal.began(session, address, "resumed", now)  # type: ignore[arg-type]
        journal.ended(address, session, 0, "", by_peer=True, now=now)  # type: ignore[arg-type]
    journal.flush(100.0)
    assert 100 < len(caplog.records) < 500
    for records in (lines(caplog, "session attached"), lines(caplog, "disconnected")):
        assert sum(getattr(record, "count", 1) for record in records) == 10_000
    assert metrics.count("closes", "client", "NORMAL") == 10_000
