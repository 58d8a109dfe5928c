"""Where the configuration comes from, what wins, and how a mistake is told (protocol §7)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import DEFAULT_EXACT, Config, advice, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("clean_environment")


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


def test_own_routes_are_all_there_are_when_they_replace_the_defaults(write: Callable[[str], Path]) -> None:
    text = '[routing]\nreplace_defaults = true\nexact = { hello = "hello" }\ncontaining = { chat = "zone" }\n'
    routing = load(write(text)).routing
    assert (routing.actions, routing.parts) == ({"hello": "hello"}, {"chat": "zone"})


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


def test_a_whole_table_in_a_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_SESSION", '{"timeout": "5m", "heartbeat_interval": "20s"}')
    config = load()
    assert (config.session.timeout, config.session.heartbeat_interval) == (300, 20)
    assert advice(config) == []


def test_what_was_probably_meant_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_SESSION_TIMEOUT", "5m")
    monkeypatch.setenv("QUICGW_BACKEND", "python")
    monkeypatch.setenv("QUICGW_TOKEN", "x")
    assert advice(load()) == [
        "the environment variable QUICGW_SESSION_TIMEOUT is not read; did you mean QUICGW_SESSION__TIMEOUT?"
    ]
