from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.asking import AdminPages
from quicgw_fast.cli.sessions import STATES
from quicgw_fast.client import connect
from quicgw_fast.control.pages import sessions as page
from tests.cli.admin_stand_in import StandIn, a_session, standing_in
from tests.cli.process import Gateway, Running, assert_one_sentence, in_process

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pages() -> Iterator[StandIn]:
    with standing_in() as server:
        server.sessions = [a_session(number) for number in range(1, 6)]
        yield server


def test_the_list_is_read_page_by_page(pages: StandIn) -> None:
    done = in_process("sessions", "--admin", pages.address)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["ID", "OPENID", "GID", "STATE", "ADDRESS", "AGE", "IDLE", "WINDOW", "IN", "FLIGHT"]
    assert [line.split()[0] for line in lines[1:-1]] == ["s1", "s2", "s3", "s4", "s5"]
    assert lines[-1] == "5 of 5 sessions"
    assert [asked.get("cursor") for asked in pages.asked] == [None, "2", "4"]


def test_nodes_that_did_not_answer_are_named(pages: StandIn) -> None:
    pages.unreached = ["b.1"]
    pages.sessions = [a_session(number, node="a.1") for number in range(1, 6)]
    done = in_process("sessions", "--admin", pages.address)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].split()[-1] == "NODE"
    assert done.stdout.splitlines()[-1] == "5 of 5 sessions; no answer from b.1, whose sessions are left out"
    done = in_process("sessions", "--admin", pages.address, "--json", "--here")
    assert (done.returncode, json.loads(done.stdout)["unreached_nodes"]) == (1, ["b.1"])
    assert [asked.get("scope") for asked in pages.asked] == [None] * 3 + ["node"] * 3


def test_no_more_are_asked_for_than_wanted(pages: StandIn) -> None:
    done = in_process("sessions", "--admin", pages.address, "--limit", "3")
    assert done.stdout.splitlines()[-1] == "3 of 5 sessions; --limit shows more"
    assert [asked["limit"] for asked in pages.asked] == ["3", "1"]


def test_everything_asked_for_goes_to_the_gateway(pages: StandIn) -> None:
    words = ["--query", "a&b", "--openid", "user-2", "--gid", "7", "--address", "::1", "--state", "NORMAL"]
    done = in_process("sessions", "--admin", pages.address, *words, "--json")
    told = json.loads(done.stdout)
    assert (told["version"], told["total"], told["next"]) == (1, 1, None)
    assert told["sessions"] == [a_session(2)]
    wanted = {"q": "a&b", "openid": "user-2", "gid": "7", "address": "::1", "state": "NORMAL", "limit": "50"}
    assert pages.asked == [wanted]


def test_names_cannot_move_the_cursor_and_wide_ones_keep_the_columns(pages: StandIn) -> None:
    pages.sessions = [a_session(1, openid="evil\x1b[2J"), a_session(2, openid="爱丽丝", attached=False)]
    lines = in_process("sessions", "--admin", pages.address).stdout.splitlines()
    assert "\x1b" not in "".join(lines)
    assert "evil\\x1b[2J" in lines[1]
    assert lines[2].index("NORMAL (away)") == lines[0].index("STATE") - 3, "three wide characters"


def test_nobody_is_there(pages: StandIn) -> None:
    pages.sessions = []
    assert in_process("sessions", "--admin", pages.address).stdout == "0 of 0 sessions\n"


def test_watching_goes_on_until_it_is_interrupted(pages: StandIn) -> None:
    with Running("sessions", "--watch", "--every", "10ms", "--json", "--admin", pages.address) as running:
        assert json.loads(running.first_line)["total"] == 5
        while len(pages.asked) < 9:
            assert running.process.poll() is None
        running.signal(signal.SIGINT)
        status, rest = running.ended()
    assert status == 130
    assert all(json.loads(line)["version"] == 1 for line in rest.splitlines())


EVENT = {
    "at": 1_000.25,
    "direction": "in",
    "kind": "BUSINESS",
    "number": 7,
    "size": 2048,
    "duration": 0.0125,
    "outcome": "200",
}


def test_one_session_with_its_flight_recorder(pages: StandIn) -> None:
    pages.events = [EVENT, {**EVENT, "direction": "out", "duration": None, "size": 12, "request": 6}]
    done = in_process("session", "s3", "--admin", pages.address)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["id", "s3"]
    assert lines[-2].split()[1:] == ["→", "BUSINESS", "7", "–", "2.0KiB", "12.5ms", "200"]
    assert lines[-1].split()[1:] == ["←", "BUSINESS", "7", "6", "12B", "–", "200"]
    told = json.loads(in_process("session", "openid:user-3", "--admin", pages.address, "--json").stdout)
    assert told["id"] == "s3"
    assert told["events"] == pages.events


def test_of_several_devices_one_has_to_be_named(pages: StandIn) -> None:
    pages.sessions = [a_session(1, openid="alice"), a_session(2, openid="alice")]
    done = in_process("session", "openid:alice", "--admin", pages.address)
    assert done.returncode == 1
    assert done.stdout.startswith("refused: 'alice' has several sessions: s1, s2")
    done = in_process("session", "openid:alice", "--admin", pages.address, "--json")
    assert json.loads(done.stdout)["error"]["code"] == "SEVERAL"
    assert in_process("session", "s2", "--admin", pages.address).returncode == 0


@pytest.mark.parametrize("who", ["s9", "openid:nobody", "a/b?c"])
def test_a_session_that_is_not_there(pages: StandIn, who: str) -> None:
    done = in_process("session", who, "--admin", pages.address)
    assert (done.returncode, done.stdout[:11]) == (1, "not found: ")
    assert done.stdout.endswith(" quicgw sessions lists those that are there\n"), "no word of HTTP"
    assert (f"did you mean openid:{who}?" in done.stdout) == (who != "openid:nobody")
    done = in_process("session", who, "--admin", pages.address, "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "NOT_FOUND")


def test_without_a_gateway_it_says_so() -> None:
    for command in (["sessions"], ["session", "s1"], ["drain"]):
        assert_one_sentence(in_process(*command, "--admin", "127.0.0.1:9"), "--admin")


async def test_a_real_gateway_has_all_that_is_shown(dev: Gateway) -> None:
    async with connect(dev.quic, openid="shown", insecure=True) as client:
        await client.call("echo", data=b"four")
        done = in_process("sessions", "--admin", dev.admin, "--openid", "shown")
        lines = done.stdout.splitlines()
        assert lines[-1] == "1 of 1 session"
        assert lines[1].split()[:2] == [client.session_id, "shown"]
        for who in ("openid:shown", client.session_id[:8]):
            done = in_process("session", who, "--admin", dev.admin)
            assert done.stdout.split()[:2] == ["id", client.session_id]
        assert done.returncode == 0, done.stderr
        kinds = [line.split()[1:3] for line in done.stdout.split("\n\n")[1].splitlines()[1:]]
        assert ["→", "request"] in kinds
        assert ["←", "reply"] in kinds
    done = in_process("session", client.session_id, "--admin", dev.admin)
    assert "CLOSED" in done.stdout, "it is remembered for a while"
    assert in_process("sessions", "--admin", dev.admin, "--state", "normal", "--openid", "none").returncode == 0


def test_the_states_are_those_of_the_page() -> None:
    assert page.STATES == STATES


@pytest.mark.parametrize("option", ["--openid", "--gid", "--address", "--state"])
def test_nothing_is_never_everybody(option: str, pages: StandIn) -> None:
    assert in_process("sessions", option, "", "--admin", pages.address).returncode == 2
    assert pages.asked == []


@pytest.mark.parametrize("name", page.EXACT)
def test_nothing_is_never_everybody_for_the_page(name: str, dev: Gateway) -> None:
    status, answer = AdminPages(dev.admin, None, 10.0).ask("GET", f"/sessions?{name}=")
    assert (status, answer["error"]["code"]) == (400, "BAD_PARAMETER")
    assert f"leave {name} out" in answer["error"]["hint"]


def test_an_openid_without_a_name_is_nobody(pages: StandIn) -> None:
    assert in_process("session", "openid:", "--admin", pages.address).returncode == 2
    assert pages.asked == []
