from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.repl.language import NotUnderstood, Typed, read
from tests.cli.process import Gateway, assert_one_sentence, environment, quicgw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")


REDRAWN_AFTER = 2.0
"""Seconds without anything new, after which the prompt is asked for anew."""


class Typist:
    """Sits at a real terminal."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self._terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quicgw_fast", "repl", *arguments],
            env=environment({"TERM": "xterm", "XDG_STATE_HOME": str(state), "PROMPT_TOOLKIT_NO_CPR": "1"}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def shows(self, text: str, within: float) -> bool:
        """Whether the text comes to be there in this time."""
        ready, _, _ = select.select([self._terminal], [], [], within)
        if ready:
            self.seen += os.read(self._terminal, 4096).decode(errors="replace")
        return text in ESCAPES.sub("", self.seen)

    def sees(self, pattern: str, within: float = 20.0) -> re.Match[str]:
        """Wait until the pattern is there, behind what was seen before."""
        deadline = time.monotonic() + within
        while True:
            plain = ESCAPES.sub("", self.seen)
            if (found := re.search(pattern, plain)) is not None:
                self.seen = plain[found.end() :]
                return found
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._terminal], [], [], min(REDRAWN_AFTER, max(0.0, left)))
            if not ready and left > REDRAWN_AFTER:
                os.write(self._terminal, b"\x0c")  # Ctrl-L, as who looks at a stale prompt does
                continue
            assert ready, f"{pattern!r} was not seen in\n{plain}"
            try:
                self.seen += os.read(self._terminal, 4096).decode(errors="replace")
            except OSError:  # the other side is closed: everything is read
                raise AssertionError(f"{pattern!r} was not seen in\n{plain}") from None

    def __enter__(self) -> Typist:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)


@pytest.fixture
def typist(dev: Gateway, tmp_path: Path) -> Iterator[Typist]:
    with Typist(tmp_path, dev.quic, "--insecure", "--openid", f"typist-{tmp_path.name}") as typist:
        typist.sees("connected, session [0-9a-f]+")
        typist.sees("typist-.*> ?")
        yield typist


def test_a_talk_at_a_terminal(typist: Typist, tmp_path: Path) -> None:
    typist.type("call echo -- hello\r")
    typist.sees(r"reply 2 200 ok\s+hello")
    typist.sees("> ?")
    typist.type("pi\t")
    typist.sees("ping")
    typist.type("\r")
    typist.sees(r"pong after [0-9.]+ ms")
    typist.type("frobnicate\r")
    typist.sees("'frobnicate' is no command; to call an action: call frobnicate")
    typist.sees("> ?")
    typist.type("call ech\t")
    typist.sees("call echo")
    typist.type(" -- again\r")
    typist.sees(r"reply 3 200 ok\s+again")
    typist.sees("> ?")
    typist.type("\x04")
    assert typist.process.wait(20) == 0
    history = tmp_path / "quicgw" / "repl_history"
    assert "+call echo -- hello\n" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    assert history.parent.stat().st_mode & 0o077 == 0


def test_a_notify_comes_above_the_prompt(typist: Typist, dev: Gateway, tmp_path: Path) -> None:
    typist.type("call ec")
    typist.sees("call ec")
    who = f"openid:typist-{tmp_path.name}"
    pushed = quicgw("push", "unicast", "--to", who, "--content", "mail", "--gateway", dev.grpc)
    assert pushed.returncode == 0, pushed.stderr
    typist.sees(r"notify 2 \[notice\]\s+mail")
    typist.sees("typist-.*> ?call ec")  # what was typed is still there, below
    typist.type("ho\r")
    typist.sees("reply 3 200 ok")


def test_lines_of_another_day_are_there(dev: Gateway, tmp_path: Path) -> None:
    with Typist(tmp_path, dev.quic, "-k") as typist:
        typist.sees("> ?")
        typist.type("call echo -- first\r")
        typist.sees(r"reply 2 200 ok\s+first")
        typist.sees("> ?")
        typist.type("\x04")
        assert typist.process.wait(20) == 0
    with Typist(tmp_path, dev.quic, "-k") as typist:
        typist.sees("> ?")
        while not typist.shows("call echo -- first", within=0.5):  # they are read beside the prompt
            typist.type("\x1b[A")
        typist.type("\r")
        typist.sees(r"reply 2 200 ok\s+first")


def test_ctrl_c_clears_a_line_and_a_lost_connection_is_told(tmp_path: Path) -> None:
    with Gateway("dev") as gateway, Typist(tmp_path, gateway.quic, "-k") as typist:
        typist.sees("> ?")
        typist.type("call nonsense")
        typist.sees("call nonsense")
        typist.type("\x03")
        typist.sees("> ?")
        gateway.signal(signal.SIGTERM)
        typist.sees(r"connection lost \(.*DRAINING.*\); again in [0-9.]+ s")
        typist.type("quit\r")
        assert typist.process.wait(20) == 0


def script(gateway: Gateway, *lines: str, json: bool = False) -> subprocess.CompletedProcess[str]:
    flags = ["--json"] if json else []
    return quicgw("repl", gateway.quic, "-k", *flags, data="\n".join(lines).encode())


def test_a_script_prints_answers_in_the_order_of_their_numbers(dev: Gateway) -> None:
    done = script(dev, 'call echo a=1 {"x": [1, 2]}', "# nothing", "", "call before count=2", "ack", "stats", "help")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["reply 2 200 ok", '{"x": [1, 2]}']
    assert [line.split()[:2] for line in lines if line.startswith(("notify", "reply"))] == [
        ["reply", "2"],
        ["notify", "3"],
        ["notify", "4"],
        ["reply", "5"],
    ]
    assert any(re.fullmatch(r"acknowledged +5", line) for line in lines)
    assert any(re.fullmatch(r"calls +3", line) for line in lines), "the login is one"
    assert "connected, session" in done.stderr


def test_a_script_with_objects(dev: Gateway) -> None:
    done = script(dev, "call echo -- hi", "ping", "ack", "quit", "call echo", json=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["kind"] for one in told if one["kind"] != "state"] == ["reply", "pong", "ack"]
    assert {one["state"] for one in told if one["kind"] == "state"} == {"connecting", "connected", "closed"}
    assert done.returncode == 0


def test_the_status_of_a_script(dev: Gateway) -> None:
    assert script(dev, "call nowhere", "call echo").returncode == 1
    done = script(dev, "call echo", "call echo {x", "call echo")
    assert done.returncode == 2
    assert done.stdout.count("reply") == 1
    assert "line 2: the data is not JSON" in done.stderr


def test_a_script_without_a_gateway() -> None:
    done = quicgw("repl", "127.0.0.1:9", "-k", data=b"call echo\n")
    assert_one_sentence(done, "127.0.0.1:9", "give another address")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("  # call echo", None),
        ("ping", Typed("ping")),
        ("call echo", Typed("call", "echo")),
        ("call echo a=1 'b=x y' c=", Typed("call", "echo", {"a": "1", "b": "x y", "c": ""})),
        ('call echo a="1 2" {"k": "v  w"}', Typed("call", "echo", {"a": "1 2"}, b'{"k": "v  w"}')),
        ("call echo [1,  2]", Typed("call", "echo", {}, b"[1,  2]")),
        ("call echo --  it's text", Typed("call", "echo", {}, b"it's text")),
        ("call 'two words'", Typed("call", "two words")),
    ],
)
def test_what_a_line_means(text: str, line: Typed | None) -> None:
    assert read(text) == line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo", "call echo"),
        ("call", "which action"),
        ("call echo x", "KEY=VALUE"),
        ("call echo =1", "KEY=VALUE"),
        ("call echo a=1 a=2", "twice"),
        ("call echo {1}", "not JSON"),
        ("call echo @/no/such/file", "cannot read"),
        ("call echo 'a=1", "not closed"),
        ("ping pong", "stands alone"),
        ("a \x1b]0;pwn\x07\u202e", r"call a \x1b]0;pwn\x07\u202e ("),
        ("call '\x1b[2J", r"not closed: '\x1b[2J"),
    ],
)
def test_what_means_nothing_says_what_to_type(text: str, told: str) -> None:
    with pytest.raises(NotUnderstood, match=re.escape(told)):
        read(text)


def test_data_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"\x00\xff")
    assert read(f"call echo @{file}") == Typed("call", "echo", {}, b"\x00\xff")
