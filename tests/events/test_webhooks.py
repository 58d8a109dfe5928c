"""Events by HTTP, to receivers that are well and to others."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import LifecycleKind
from quicgw_fast.config import WebhookConfig
from quicgw_fast.errors import SettingError
from quicgw_fast.events import EventLog, EventOutlets, SessionFacts, read_hooks, webhooks
from quicgw_fast.observe import Metrics
from tests.support.hook_receiver import HookReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ALICE = SessionFacts("s-1", "alice", "g", "001", "e-1", "127.0.0.1:5")
SECRET = b"0123456789abcdef"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(webhooks, "LONGEST_PAUSE", 0.05)


class Told:
    """A log with its outlets."""

    def __init__(self, keep: int = 100, **webhook: Any) -> None:
        self.metrics = Metrics()
        self.log = EventLog(keep, self.metrics, time.time)
        self.outlets = EventOutlets(self.log, self.metrics, WebhookConfig(**webhook))

    def tell(self, count: int = 1, kind: LifecycleKind = LifecycleKind.ATTACHED) -> None:
        for _ in range(count):
            self.log.tell(kind, ALICE, "why")

    def tries(self, result: str) -> float:
        return self.metrics.count("webhook_tries", result)


@contextlib.asynccontextmanager
async def telling(keep: int = 100, **webhook: Any) -> AsyncIterator[Told]:
    told = Told(keep, **webhook)
    told.outlets.webhooks.start()
    await asyncio.sleep(0)
    try:
        yield told
    finally:
        await told.outlets.webhooks.stop()


async def until(there: Callable[[], object]) -> None:
    async with asyncio.timeout(20.0):
        while not there():
            await asyncio.sleep(0.005)


async def test_a_receiver_gets_all_in_order_and_can_tell_from_whom(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    with HookReceiver() as receiver:
        async with telling(urls=[receiver.url], secret_file=secret, batch=4) as told:
            told.tell(10)
            await until(lambda: len(receiver.events) == 10)
            assert [event["id"] for event in receiver.events] == list(range(1, 11))
            assert [len(batch["events"]) for batch in receiver.batches] == [4, 4, 2]
            assert {(batch["version"], batch["gateway"], batch["missed"]) for batch in receiver.batches} == {
                (1, told.log.gateway, 0)
            }
            first = receiver.events[0]
            assert abs(first.pop("at") - time.time()) < 60
            assert first == {"id": 1, "kind": "ATTACHED", "reason": "why", **ALICE._asdict()}
        body, headers = receiver.tries[0]
    at, v1 = (part.partition("=")[2] for part in headers["quicgw-signature"].split(","))
    assert hmac.new(SECRET, f"{at}.".encode() + body, hashlib.sha256).hexdigest() == v1
    assert abs(int(at) - time.time()) < 60
    assert (headers["content-type"], headers["user-agent"]) == ("application/json", "quicgw")


async def test_only_the_kinds_that_are_named() -> None:
    with HookReceiver() as receiver:
        async with telling(urls=[receiver.url], kinds=["ENDED"]) as told:
            told.tell(3)
            told.tell(1, LifecycleKind.ENDED)
            await until(lambda: receiver.events)
    assert [event["id"] for event in receiver.events] == [4]


async def test_what_was_not_taken_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    with HookReceiver() as receiver, caplog.at_level(logging.WARNING, "quicgw.events"):
        receiver.answers = [500, 302, 404]
        async with telling(urls=[receiver.url]) as told:
            told.tell(2)
            await until(lambda: receiver.events)
            assert [event["id"] for event in receiver.events] == [1, 2]
            await until(lambda: told.tries("delivered") == 1)
            assert told.tries("failed") == 3
            assert told.metrics.count("webhook_events") == 2
    assert len({body for body, _ in receiver.tries}) == 1
    assert vars(caplog.records[0])["reason"] == "status 500"


async def test_a_receiver_that_is_down_and_comes_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    async with telling(urls=[f"http://127.0.0.1:{port}/"]) as told:
        told.tell(3)
        await until(lambda: told.tries("failed") >= 2)
        with HookReceiver(port) as receiver:
            await until(lambda: len(receiver.events) == 3)


async def test_a_slow_receiver_holds_nobody_up_and_learns_what_it_missed() -> None:
    with HookReceiver() as slow, HookReceiver() as quick:
        slow.open.clear()
        async with telling(keep=20, urls=[slow.url, quick.url], batch=5, answer_within=30.0) as told:
            told.tell(1)
            await until(lambda: slow.tries)
            for number in range(100):
                told.tell(1)
                await until(lambda: len(quick.events) >= number + 2)  # noqa: B023 - waited for here
            assert told.metrics.numbers("webhook_events_waiting") == [101]
            slow.open.set()
            await until(lambda: len(slow.events) == 21)
            assert told.metrics.count("webhook_events_missed") == 80
    assert [event["id"] for event in slow.events] == [1, *range(82, 102)]
    assert [batch["missed"] for batch in slow.batches] == [0, 80, 0, 0, 0]
    assert [event["id"] for event in quick.events] == list(range(1, 102))


async def test_one_that_never_answers_is_tried_again_in_time() -> None:
    with HookReceiver() as receiver:
        receiver.open.clear()
        async with telling(urls=[receiver.url], answer_within=0.05) as told:
            told.tell(1)
            await until(lambda: told.tries("failed") >= 2)


async def test_gone_switches_it_off(caplog: pytest.LogCaptureFixture) -> None:
    with HookReceiver() as receiver, caplog.at_level(logging.WARNING, "quicgw.events"):
        receiver.answers = [410]
        async with telling(urls=[receiver.url]) as told:
            told.tell(1)
            await until(lambda: told.tries("gone") == 1)
            told.tell(5)
            await asyncio.wait_for(told.outlets.webhooks.ended(), 10.0)
            assert told.metrics.numbers("webhook_events_waiting") == [0]
    assert len(receiver.tries) == 1
    assert "webhook gone" in caplog.text


async def test_a_receiver_that_is_killed_and_another_in_its_place() -> None:
    program = (
        "import socket,sys,time; s=socket.create_server(('127.0.0.1',0));"
        "print(s.getsockname()[1],flush=True); c,_=s.accept(); print('there',flush=True); time.sleep(60)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        async with telling(urls=[f"http://127.0.0.1:{port}/"], answer_within=30.0) as told:
            told.tell(2)
            assert await process.stdout.readline() == b"there\n"
            process.kill()
            await process.wait()
            await until(lambda: told.tries("failed") >= 1)
            with HookReceiver(port) as receiver:
                await until(lambda: len(receiver.events) == 2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_other_settings_while_it_runs() -> None:
    with HookReceiver() as one, HookReceiver() as other:
        async with telling(urls=[one.url]) as told:
            told.tell(1)
            await until(lambda: one.events)
            told.outlets.webhooks.prepare(read_hooks(WebhookConfig(urls=(one.url, other.url), kinds=("ENDED",))))()
            await asyncio.sleep(0)
            told.tell(1)
            told.tell(1, LifecycleKind.ENDED)
            await until(lambda: other.events and len(one.events) == 2)
            assert [[event["id"] for event in each.events] for each in (one, other)] == [[1, 3], [3]]
            told.outlets.webhooks.prepare(read_hooks(WebhookConfig(urls=(other.url,))))()
            told.tell(1)
            await until(lambda: len(other.events) == 2)
            assert len(one.events) == 2


async def test_the_end_waits_for_what_can_be_told_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with HookReceiver() as receiver:
        async with telling(urls=[receiver.url]) as told:
            told.tell(3)
            await told.outlets.finish()
        assert len(receiver.events) == 3
        monkeypatch.setattr("quicgw_fast.events.outlets.FAREWELL", 0.05)
        receiver.open.clear()
        async with telling(urls=[receiver.url]) as told:
            told.tell(3)
            with caplog.at_level(logging.WARNING, "quicgw.events"):
                await asyncio.wait_for(told.outlets.finish(), 5.0)
    assert "events not sent" in caplog.text


async def test_without_a_log_nothing_is_begun() -> None:
    async with telling(keep=0, urls=["http://127.0.0.1:1/"]) as told:
        await asyncio.wait_for(told.outlets.finish(), 5.0)


@pytest.mark.parametrize(("text", "why"), [(None, "cannot read"), (b"short\n", "has 5 bytes, and 16 at least")])
def test_a_secret_that_cannot_be_used(tmp_path: Path, text: bytes | None, why: str) -> None:
    secret = tmp_path / "secret"
    if text is not None:
        secret.write_bytes(text)
    with pytest.raises(SettingError, match=why):
        read_hooks(WebhookConfig(urls=("http://127.0.0.1:1/",), secret_file=secret))


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://", "http://a:99999/", "127.0.0.1:80", "http://me:pw@a/", "http://a/ b", "http://a/\n"]
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="write for example https://hooks"):
        WebhookConfig(urls=(url,))


def test_what_is_signed_is_what_anybody_signs() -> None:
    signed = hmac.new(SECRET, b'17.{"a":1}', hashlib.sha256).hexdigest()
    assert webhooks.signature(SECRET, 17, json.dumps({"a": 1}, separators=(",", ":")).encode()) == f"t=17,v1={signed}"
