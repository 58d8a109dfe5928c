from __future__ import annotations

from pathlib import Path

from quicgw_fast.config import changes, files, read, without_restart


def test_every_key_that_differs_is_named_with_both_values() -> None:
    before = read(overrides={"session": {"timeout": 60, "memory": "64MiB"}})
    after = read(overrides={"session": {"timeout": 70, "memory": "32MiB"}, "upstream": {"hello": ["127.0.0.1:9"]}})
    told = [(one.key, one.before, one.after, one.live) for one in changes(before, after)]
    assert told == [
        ("upstream.hello", "[]", '["127.0.0.1:9"]', True),
        ("session.timeout", "1m", "70s", True),
        ("session.memory", "64MiB", "32MiB", False),
    ]
    assert list(changes(after, after)) == []


def test_what_needs_a_restart_stays_and_all_else_is_new() -> None:
    before = read(overrides={"session": {"timeout": 60, "memory": "64MiB"}, "server": {"quic": "127.0.0.1:1"}})
    after = read(overrides={"session": {"timeout": 70}, "server": {"admin": "127.0.0.1:2"}})
    mixed = without_restart(before, after)
    assert (mixed.session.timeout, mixed.session.memory) == (70, 64 << 20)
    assert (mixed.server.quic, mixed.server.admin) == ("127.0.0.1:1", "127.0.0.1:8080")
    assert mixed.session.model_fields_set == {"timeout", "memory"}
    assert mixed.server.model_fields_set == {"quic"}


def test_a_default_that_gives_way_gives_way_to_what_is_new() -> None:
    before = read(overrides={"session": {"timeout": 60}})
    assert without_restart(before, read(overrides={"session": {"timeout": "6s"}})).session.told_interval == 2


def test_the_files_are_those_whose_content_is_taken_live() -> None:
    config = read(
        overrides={
            "tls": {"cert": "c.pem", "key": "k.pem"},
            "server": {"reset_key_file": "r"},
            "auth": {"key_file": "a"},
        }
    )
    assert files(config) == {"tls.cert": Path("c.pem"), "tls.key": Path("k.pem"), "auth.key_file": Path("a")}


def test_tls_is_not_begun_nor_ended_on_a_port_that_is_open() -> None:
    plain = read()
    secure = read(overrides={"control": {"cert": "c", "key": "k", "client_ca": "a", "admin_hosts": ["x"]}})
    other = read(overrides={"control": {"cert": "c2", "key": "k2"}})
    told = {(one.key, one.live) for one in changes(plain, secure)}
    assert told == {(f"control.{key}", False) for key in ("cert", "key", "client_ca")} | {("control.admin_hosts", True)}
    mixed = without_restart(plain, secure).control
    assert (mixed.cert, mixed.key, mixed.client_ca, mixed.admin_hosts) == (None, None, None, ("x",))
    mixed = without_restart(secure, other).control
    assert (mixed.cert, mixed.key, mixed.client_ca) == (Path("c2"), Path("k2"), Path("a"))


def test_services_are_called_over_tls_or_not_until_a_restart() -> None:
    plain = read(overrides={"upstream": {"hello": ["127.0.0.1:9001"]}})
    secure = read(overrides={"upstream": {"ca": "a", "cert": "c", "key": "k", "server_name": "x"}})
    told = {one.key for one in changes(secure, plain) if not one.live}
    assert told == {f"upstream.{key}" for key in ("ca", "cert", "key", "server_name")}
    mixed = without_restart(secure, plain).upstream
    assert (mixed.ca, mixed.server_name, mixed.hello) == (Path("a"), "x", ("127.0.0.1:9001",))
    other = read(overrides={"upstream": {"ca": "b"}})
    assert without_restart(secure, other).upstream.ca == Path("b")
    assert files(secure).keys() == {"upstream.ca", "upstream.cert", "upstream.key"}
