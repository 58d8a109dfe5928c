"""How a mistake in the configuration is told: what, where, and all at once (protocol §7)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, get_origin

import pytest

from quicgw_fast.config import Config, load
from quicgw_fast.config.models import SECTIONS
from tests.config.conftest import problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("clean_environment")


def test_an_unknown_key_in_the_file(write: Callable[[str], Path]) -> None:
    path = write('[session]\ntimeot = "5m"\n')
    told = problem(path)
    assert str(path) in told
    assert "session.timeot" in told
    assert told.endswith(f"; did you mean timeout? (in {path}:2)")


def test_an_unknown_table_in_the_file(write: Callable[[str], Path]) -> None:
    assert "sesion: unknown table; did you mean session?" in problem(write("[sesion]\n"))
    assert "x: unknown table; known: server, tls" in problem(write("[x]\n"))


@pytest.mark.parametrize("name", ["_env_prefix", "_env_file", "_x"])
def test_no_key_of_the_file_gives_orders_to_the_reader(write: Callable[[str], Path], name: str) -> None:
    assert name in problem(write(f'{name} = "X"\n'))


def test_an_unknown_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_SESSION__TIMEOT", "5m")
    told = problem()
    assert "session.timeot" in told
    assert "in the variable QUICGW_SESSION__TIMEOT" in told


@pytest.mark.parametrize("name", ["QUICGW_SESION__TIMEOUT", "QUICGW_BACKEND__X", "quicgw_sesion__x"])
def test_an_unknown_table_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    told = problem()
    assert name in told
    assert "did you mean QUICGW_SESSION__" in told or "known: server, tls" in told


def test_other_programs_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGWX", "1")
    monkeypatch.setenv("QUICGW_X", "1")
    monkeypatch.setenv("SERVER__QUIC", "1")
    monkeypatch.setenv("QUICGW__X", "1")
    assert load() == Config()


def test_a_list_in_the_environment_must_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_UPSTREAM__HELLO", "127.0.0.1:1")
    told = problem()
    assert "QUICGW_UPSTREAM__HELLO: this is not valid JSON" in told
    assert """QUICGW_UPSTREAM__HELLO='["127.0.0.1:9001"]'""" in told


@pytest.mark.parametrize(
    ("key", "example"),
    [
        (f"{name}.{key}", known.examples[0] if known.examples else None)
        for name, section in SECTIONS.items()
        for key, known in section.model_fields.items()
        if get_origin(known.annotation) in (tuple, dict)
    ],
)
def test_a_list_or_table_is_told_with_an_example_of_its_own_which_can_be_written(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[str], Path], key: str, example: Any
) -> None:
    table, _, name = key.partition(".")
    shown = json.dumps(example)
    if isinstance(example, list):
        assert f"must be a list, for example {shown}, not 'full'" in problem(write(f"[{table}]\n{name} = 'full'\n"))
    variable = f"QUICGW_{table}__{name}".upper()
    monkeypatch.setenv(variable, "full")
    assert problem().endswith(f"write for example {variable}='{shown}'")
    monkeypatch.setenv(variable, shown)
    assert load().model_dump(mode="json")[table][name] == example


def test_an_unknown_flag() -> None:
    told = problem(overrides={"server": {"qic": "127.0.0.1:1"}})
    assert "command line" in told
    assert "server.qic" in told
    assert "did you mean quic?" in told


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[server]\nquic = "8443"', "server.quic: '8443' is not a valid address, as it has no host; write HOST:PORT"),
        ('[session]\ntimeout = "soon"', "session.timeout: 'soon' is not a valid duration; write for example"),
        ('[session]\ntimeout = "0s"', "session.timeout: 0s is out of bounds; allowed: 1ms to 1d"),
        ("[session]\ntimeout = -1", "session.timeout: -1s is out of bounds"),
        ("[session]\ntimeout = inf", "session.timeout: a huge number is out of bounds"),
        (f'[session]\ntimeout = "{"9" * 400}s"', "session.timeout: a huge number is out of bounds; allowed: 1ms to 1d"),
        ("[session]\ntimeout = nan", "session.timeout: nan is out of bounds"),
        ("[session]\ntimeout = 1e16", "session.timeout: 1e+16s is out of bounds; allowed: 1ms to 1d"),
        ('[session]\nresume_window = "100000d"', "session.resume_window: 100000d is out of bounds; allowed: 1ms to 7d"),
        ("[session]\ntimeout = true", "session.timeout: True is not a valid duration"),
        ("[session]\ntimeout = [1]", "session.timeout: must be a number, not [1]"),
        ('[session]\nwindow_bytes = "1MB"', "session.window_bytes: '1MB' is not a valid size; did you mean 1MiB?"),
        (
            "[session]\nmemory = 18446744073709551616",
            "session.memory: 16777216TiB is out of bounds; allowed: 1B to 1TiB",
        ),
        (
            "[session]\nwindow_messages = 0",
            "session.window_messages: 0 is out of bounds; allowed: 1 to 1_000_000 messages",
        ),
        ("[session]\nwindow_messages = 1180591620717411303424", "session.window_messages: 1_180_591_620_"),
        ("[processor]\nmax_workers = -1", "processor.max_workers: -1 is out of bounds"),
        ("[processor]\nmax_queue_size = 1.5", "processor.max_queue_size: must be a whole number, not 1.5"),
        ("[processor]\nmax_queue_size = true", "processor.max_queue_size: true is not a number"),
        (
            "[processor]\nmax_queue_size = 16777217",
            "16_777_217 is out of bounds; allowed: 1 to 1_048_576 requests",
        ),
        (
            "[limits]\nhandshakes_per_second = inf",
            "inf is out of bounds; allowed: 0.001 to 1_000_000 a second",
        ),
        (f"[limits]\nin_flight = 1{'0' * 400}", "limits.in_flight: 10_000_"),
        (f"[session]\nwindow_bytes = 1{'0' * 400}", "session.window_bytes: "),
        (f"[session]\ntimeout = 1{'0' * 400}", "session.timeout: "),
        ('[upstream]\nhello = ["127.0.0.1:1", "nowhere"]', "upstream.hello: entry 2 'nowhere' is not a valid address"),
        ('[upstream]\nhello = "127.0.0.1:1"', "upstream.hello: must be a list, for example ["),
        ('[server]\nquic = "no\\u0000host:1"', "server.quic: 'no\\x00host:1' is not a valid address"),
        ('[routing]\nmode = "fast"', "routing.mode: must be 'service' or 'zone', not 'fast'"),
        ("[routing]\nzone_ranges = [[1, 2]]", 'routing.zone_ranges: entry 1 must be [low, high, "zone"]'),
        ('[routing]\nexact = "hello"', "routing.exact: must be a table, not 'hello'"),
        ("[routing.exact]\nhello = 3", "routing.exact.hello: must be a text in quotes, not 3"),
        ('[auth]\nmode = "basic"', "auth.mode: must be 'none' or 'jwt', not 'basic'"),
        ("[tls]\ncert = 3", "tls.cert: must be a path in quotes, not 3"),
        ('[tls]\ncert = ""', "tls.cert: must be the path of a file; leave the key out for none"),
        ("server = 3", "server: must be a table, not 3"),
    ],
)
def test_a_value_that_cannot_be(write: Callable[[str], Path], table: str, told: str) -> None:
    path = write(table)
    sentence = problem(path)
    assert told in sentence
    assert re.search(rf"\(in {re.escape(str(path))}:[12]\)", sentence)


def test_the_text_of_a_file_in_place_of_its_path_is_not_repeated(write: Callable[[str], Path]) -> None:
    told = problem(write("[tls]\nkey = '''-----BEGIN PRIVATE KEY-----\nsecret\n'''\n"))
    assert "tls.key: must be the path of a file" in told
    assert "secret" not in told


def test_every_mistake_is_told_at_once(write: Callable[[str], Path]) -> None:
    told = problem(write('[server]\nquic = "x"\n[session]\ntimeout = "y"\n'))
    assert "server.quic" in told
    assert "session.timeout" in told


def test_a_bad_value_in_the_environment_and_as_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "server.quic" in problem(overrides={"server": {"quic": "x"}})
    monkeypatch.setenv("QUICGW_SERVER__QUIC", "x")
    assert "in the variable QUICGW_SERVER__QUIC" in problem()
    monkeypatch.setenv("QUICGW_SERVER", '{"grpc": "y"}')
    assert "in the variable QUICGW_SERVER)" in problem()


def test_a_file_that_is_no_toml(write: Callable[[str], Path]) -> None:
    path = write("[server\n")
    told = problem(path)
    assert "is not valid TOML" in told
    assert f"{path}:1: " in told


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe")
    assert "is not valid TOML: it is not UTF-8 but UTF-16; save it as UTF-8" in problem(path)


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes("[log]\nlevel = 'é'".encode("latin-1"))
    assert "it is not UTF-8 from byte 15; save it as UTF-8" in problem(path)


@pytest.mark.parametrize("text", ["server = 5\n", '[[server]]\nquic = "127.0.0.1:1"\n'])
def test_what_should_be_a_table_is_not_replaced_by_what_lies_over_it(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = write(text)
    told = "server: must be a table, not "
    assert told in problem(path)
    assert told in problem(path, {"server": {}})  # no flag was given
    monkeypatch.setenv("QUICGW_SERVER__QUIC", "127.0.0.1:0")
    assert told in problem(path, {"server": {"grpc": "127.0.0.1:0"}})
    assert f"(in {path}:1)" in problem(path)


def test_a_key_that_should_be_a_table_is_not_replaced(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('[routing]\nexact = "hello"\n')
    monkeypatch.setenv("QUICGW_ROUTING__EXACT__FOO", "hello")
    assert "routing.exact: must be a table, not 'hello'" in problem(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "quicgw genconfig writes one" in problem(tmp_path / "missing.toml")
    assert "quicgw genconfig writes one" in problem(tmp_path)


@pytest.mark.parametrize("text", ["x = " + "9" * 5000, "x = " + "[" * 3000, "a." * 3000 + "a = 1"])
def test_a_file_that_is_too_much_for_the_parser(write: Callable[[str], Path], text: str) -> None:
    assert "is not valid TOML" in problem(write(text))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbf[session]\ntimeout = '9m'\n")
    assert load(path).session.timeout == 540.0


def test_a_number_of_thousands_of_digits_has_its_place(write: Callable[[str], Path]) -> None:
    path = write(f"[processor]\nmax_workers = {'9' * 5000}\n")
    told = f"{path}:2: this is not valid TOML: a number has thousands of digits; write a smaller one"
    assert problem(path).endswith(told)


def test_names_give_no_orders_to_a_terminal(write: Callable[[str], Path]) -> None:
    told = problem(write('"\\u001b]0;pwn\\u0007" = 1\n[server]\n"a\\u202eb" = 2\n["t\\u001b"]\n'))
    assert told.isprintable()
    for name in ("\\x1b]0;pwn\\x07: unknown table", "server.a\\u202eb: unknown key", "t\\x1b: unknown table"):
        assert name in told


def test_thousands_of_mistakes_are_counted(write: Callable[[str], Path]) -> None:
    keys = "".join(f"k{n} = 1\n" for n in range(5000))
    told = problem(write(f'[server]\n{keys}[tls]\ncert = 1\n[session]\ntimeout = "x"\n'))
    assert told.count("unknown key") == 98
    assert "there are 4_902 mistakes more; correct these first" in told
    assert "tls.cert: " in told
    assert "session.timeout: " in told
