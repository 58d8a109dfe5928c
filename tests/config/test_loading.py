"""Where the configuration comes from, what wins, and how a mistake is told (protocol §7)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import DEFAULT_EXACT, Config, advice, load
from quicgw_fast.errors import ConfigError, StartupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("QUICGW_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problem(path: Path | None = None, overrides: dict[str, dict[str, Any]] | None = None) -> str:
    """The one sentence that says what is wrong."""
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    assert isinstance(caught.value, StartupError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Defaults


def test_the_defaults_are_those_of_the_protocol() -> None:
    config = load()
    assert config == Config()
    server, processor, session, auth = config.server, config.processor, config.session, config.auth
    assert (server.quic, server.grpc, server.admin) == ("0.0.0.0:8443", "127.0.0.1:8092", "127.0.0.1:8080")
    assert (config.tls.cert, config.tls.key) == (None, None)
    assert (config.upstream.hello, config.upstream.business, config.upstream.zone) == ((), (), ())
    assert config.routing.mode == "service"
    assert (processor.max_workers, processor.max_queue_size, processor.task_timeout) == (0, 10_000, 30.0)
    assert (session.timeout, session.heartbeat_interval, session.resume_window) == (300.0, 30.0, 120.0)
    assert (session.window_messages, session.window_bytes, session.memory) == (1024, 1 << 20, 256 << 20)
    assert (session.start_timeout, session.slow_consumer_after, session.bind_timeout) == (5.0, 10.0, 60.0)
    assert auth.mode == "none"
    assert (config.limits.messages_per_second, config.limits.in_flight) == (100.0, 64)
    assert config.limits.auth_failures_per_minute == 10
    assert config.offline.store == "off"


def test_zero_workers_are_four_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert load().processor.workers == 12
    assert load(overrides={"processor": {"max_workers": 5}}).processor.workers == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert load().processor.workers == 4


# Sources


def test_a_file(write: Callable[[str], Path]) -> None:
    config = load(
        write(
            """
            [server]
            quic = "127.0.0.1:0"
            [tls]
            cert = "a.pem"
            [upstream]
            hello = ["127.0.0.1:1", "[::1]:2"]
            [routing]
            mode = "zone"
            zone_ranges = [[1, 9999, "001"]]
            [processor]
            max_workers = 8
            task_timeout = "1500ms"
            [session]
            timeout = "10m"
            window_bytes = "2MiB"
            [auth]
            mode = "jwt"
            key_file = "key.pem"
            algorithms = ["EdDSA"]
            leeway = "5s"
            """
        )
    )
    assert config.server.quic == "127.0.0.1:0"
    assert config.upstream.hello == ("127.0.0.1:1", "[::1]:2")
    assert config.routing.zone_ranges == ((1, 9999, "001"),)
    assert (config.processor.workers, config.processor.task_timeout) == (8, 1.5)
    assert (config.session.timeout, config.session.window_bytes) == (600.0, 2 << 20)
    assert (config.auth.mode, config.auth.algorithms, config.auth.leeway) == ("jwt", ("EdDSA",), 5.0)
    assert config.server.grpc == "127.0.0.1:8092"


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_SERVER__QUIC", "127.0.0.1:7")
    monkeypatch.setenv("QUICGW_SESSION__TIMEOUT", "5m")
    monkeypatch.setenv("QUICGW_SESSION__WINDOW_BYTES", "64KiB")
    monkeypatch.setenv("QUICGW_PROCESSOR__MAX_WORKERS", "3")
    monkeypatch.setenv("QUICGW_UPSTREAM__HELLO", '["127.0.0.1:1"]')
    monkeypatch.setenv("QUICGW_LIMITS", '{"in_flight": 5}')
    config = load()
    assert config.server.quic == "127.0.0.1:7"
    assert (config.session.timeout, config.session.window_bytes) == (300.0, 64 << 10)
    assert config.processor.max_workers == 3
    assert config.upstream.hello == ("127.0.0.1:1",)
    assert config.limits.in_flight == 5


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('[session]\ntimeout = "31s"\nresume_window = "1s"\nstart_timeout = "1s"\n')
    monkeypatch.setenv("QUICGW_SESSION__TIMEOUT", "32s")
    monkeypatch.setenv("QUICGW_SESSION__RESUME_WINDOW", "2s")
    session = load(path, {"session": {"timeout": "33s"}}).session
    assert (session.timeout, session.resume_window, session.start_timeout) == (33.0, 2.0, 1.0)
    assert session.heartbeat_interval == 30.0


def test_one_table_from_all_three(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_SERVER__GRPC", "127.0.0.1:2")
    server = load(write('[server]\nquic = "127.0.0.1:1"\n'), {"server": {"admin": "127.0.0.1:3"}}).server
    assert (server.quic, server.grpc, server.admin) == ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")


@pytest.mark.parametrize("backend", ["auto", "rust", "python"])
def test_the_choice_of_the_engine_is_no_section(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("QUICGW_BACKEND", backend)
    assert load() == Config()


def test_nothing_can_be_changed_later() -> None:
    config = load()
    with pytest.raises(Exception, match="frozen"):
        config.server.quic = "127.0.0.1:1"
    with pytest.raises(Exception, match="frozen"):
        config.session = config.session


# Mistakes


def test_an_unknown_key_in_the_file(write: Callable[[str], Path]) -> None:
    path = write('[session]\ntimeot = "5m"\n')
    told = problem(path)
    assert str(path) in told
    assert "session.timeot" in told
    assert "known: timeout, heartbeat_interval" in told


def test_an_unknown_table_in_the_file(write: Callable[[str], Path]) -> None:
    told = problem(write("[sesion]\n"))
    assert "sesion" in told
    assert "known: server, tls" in told


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
    assert "known: server, tls" in told


def test_other_programs_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGWX", "1")
    monkeypatch.setenv("QUICGW_X", "1")
    monkeypatch.setenv("SERVER__QUIC", "1")
    monkeypatch.setenv("QUICGW__X", "1")
    assert load() == Config()


def test_a_list_in_the_environment_must_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_UPSTREAM__HELLO", "127.0.0.1:1")
    told = problem()
    assert "the variable QUICGW_UPSTREAM__HELLO is not valid JSON" in told
    assert """QUICGW_UPSTREAM__HELLO='["127.0.0.1:9001"]'""" in told


def test_an_unknown_flag() -> None:
    told = problem(overrides={"server": {"qic": "127.0.0.1:1"}})
    assert "command line" in told
    assert "server.qic" in told
    assert "known: quic, grpc, admin" in told


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[server]\nquic = "8443"', "server.quic: '8443' is not a valid address; write HOST:PORT"),
        ('[session]\ntimeout = "soon"', "session.timeout: 'soon' is not a valid duration; write for example"),
        ('[session]\ntimeout = "0s"', "session.timeout: 0s is out of bounds; allowed: 1ms to 1d"),
        ("[session]\ntimeout = -1", "session.timeout: -1s is out of bounds"),
        ("[session]\ntimeout = inf", "session.timeout: infs is out of bounds"),
        ("[session]\ntimeout = nan", "session.timeout: nans is out of bounds"),
        ("[session]\ntimeout = 1e16", "session.timeout: 1e+16s is out of bounds; allowed: 1ms to 1d"),
        ('[session]\nresume_window = "100000d"', "session.resume_window: 100000d is out of bounds; allowed: 1ms to 7d"),
        ("[session]\ntimeout = true", "session.timeout: True is not a valid duration"),
        ("[session]\ntimeout = [1]", "session.timeout: must be a number, not [1]"),
        ('[session]\nwindow_bytes = "1MB"', "session.window_bytes: '1MB' is not a valid size; write for example"),
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
    assert f"(in {path})" in sentence


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
    told = problem(write("[server\n"))
    assert "is not valid TOML" in told
    assert "line 1" in told


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe")
    assert "is not valid TOML: not UTF-8" in problem(path)


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
    assert f"(in {path})" in problem(path)


def test_a_key_that_should_be_a_table_is_not_replaced(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('[routing]\nexact = "hello"\n')
    monkeypatch.setenv("QUICGW_ROUTING__EXACT__FOO", "hello")
    assert "routing.exact: must be a table, not 'hello'" in problem(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "check --config" in problem(tmp_path / "missing.toml")
    assert "check --config" in problem(tmp_path)


@pytest.mark.parametrize("text", ["x = " + "9" * 5000, "x = " + "[" * 3000])
def test_a_file_that_is_too_much_for_the_parser(write: Callable[[str], Path], text: str) -> None:
    assert "is not valid TOML" in problem(write(text))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbf[session]\ntimeout = '9m'\n")
    assert load(path).session.timeout == 540.0


# Paths


def test_paths_in_the_file_count_from_its_folder_and_others_from_here(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('[tls]\ncert = "a.pem"\nkey = "/x/b.pem"\n[auth]\nmode = "jwt"\njwks_file = "keys/c.json"\n')
    config = load(path)
    assert config.tls.cert == path.parent / "a.pem"
    assert str(config.tls.key) == "/x/b.pem"
    assert config.auth.jwks_file == path.parent / "keys" / "c.json"
    monkeypatch.setenv("QUICGW_TLS__CERT", "d.pem")
    assert str(load(path, {"tls": {"key": "e.pem"}}).tls.cert) == "d.pem"
    assert str(load(path, {"tls": {"key": "e.pem"}}).tls.key) == "e.pem"


# Routes


def test_own_routes_are_added(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_ROUTING__EXACT__BAR", "zone")
    routing = load(write('[routing.exact]\nfoo = "hello"\n')).routing
    assert routing.actions == {**DEFAULT_EXACT, "foo": "hello", "bar": "zone"}


# Variables of others


KUBERNETES = {
    "QUICGW_SERVER_SERVICE_HOST": "127.0.0.1",
    "QUICGW_SERVER_SERVICE_PORT": "8443",
    "QUICGW_SERVER_PORT": "udp://127.0.0.1:8443",
    "QUICGW_SERVER_PORT_8443_UDP": "udp://127.0.0.1:8443",
    "QUICGW_SERVER_PORT_8443_UDP_ADDR": "127.0.0.1",
    "QUICGW_LOG": "tcp://127.0.0.1:80",
}


def test_a_platforms_variables_change_nothing_and_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KUBERNETES.items():
        monkeypatch.setenv(name, value)
    config = load()
    assert config == Config()
    (told,) = advice(config)
    assert all(name in told for name in KUBERNETES)


def test_what_was_probably_meant_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_SESSION_TIMEOUT", "5m")
    monkeypatch.setenv("QUICGW_BACKEND", "python")
    monkeypatch.setenv("QUICGW_TOKEN", "x")
    assert advice(load()) == [
        "the environment variable QUICGW_SESSION_TIMEOUT is not read; did you mean QUICGW_SESSION__TIMEOUT?"
    ]
