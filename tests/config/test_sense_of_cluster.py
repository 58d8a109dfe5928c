"""Settings of ``[cluster]`` with which a node could not serve, or others could not reach it."""

from __future__ import annotations

import pytest

from quicgw_fast.config import load
from quicgw_fast.config.sense_of_cluster import risks_of_cluster
from quicgw_fast.errors import ConfigError

URL = "valkey://127.0.0.1:6379"


def cluster(**written: str) -> dict[str, dict[str, str]]:
    return {"cluster": {"url": URL, **written}}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"listen": "0.0.0.0:1", "advertise": "127.0.0.1:1"}, r"cluster\.listen: anybody who reaches it could take"),
        ({"listen": "0.0.0.0:1", "secret_file": "s"}, "set cluster.advertise to one"),
        ({"advertise": "0.0.0.0:1"}, r"cluster\.advertise: the other gateways cannot dial 0\.0\.0\.0"),
        ({"advertise": "[::]:1"}, "cannot dial ::"),
        ({"advertise": "127.0.0.1:0"}, "cannot dial port 0"),
        ({"ca": "ca.pem"}, r"cluster\.ca .*cluster\.cert .*cluster\.key .*: ca, cert and key go together"),
        (
            {"cert": "node.pem", "key": "node.key"},
            r"cluster\.cert .*cluster\.key .*cluster\.ca .*: ca, cert",
        ),
    ],
)
def test_a_node_that_nobody_could_reach_or_anybody(written: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(overrides=cluster(**written))


@pytest.mark.parametrize("key", ["grpc", "admin"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_nodes_port_is_that_of_nobody_else(key: str, host: str) -> None:
    server = {"grpc": f"{host}:7000" if key == "grpc" else "127.0.0.1:0"}
    server |= {"admin": f"{host}:7000" if key == "admin" else "127.0.0.1:0"}
    with pytest.raises(ConfigError, match=rf"cluster\.listen .*server\.{key} .*a port of their own"):
        load(overrides={"server": server, **cluster(listen="127.0.0.1:7000")})


def test_clients_may_have_the_same_number() -> None:
    load(overrides={"server": {"quic": "127.0.0.1:7000"}, **cluster(listen="127.0.0.1:7000")})
    load(overrides={"server": {"grpc": "127.0.0.2:7000"}, **cluster(listen="127.0.0.1:7000")})


@pytest.mark.parametrize(
    ("listen", "server", "told"),
    [
        ("127.0.0.1:7000", {"grpc": "127.0.0.1:7002"}, "a port of their own"),
        ("127.0.0.1:7000", {"admin": "127.0.0.1:6998"}, "a port of their own"),
        ("127.0.0.1:65534", {}, "65536 does not exist: begin lower"),
    ],
)
def test_each_worker_has_the_next_port(listen: str, server: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(overrides={"server": {"workers": "3", **server}, **cluster(listen=listen)})
    load(overrides={"server": {"workers": "3"}, **cluster(listen="127.0.0.1:7000")})


def test_what_is_not_used_contradicts_nothing() -> None:
    load(overrides={"cluster": {"listen": "0.0.0.0:1", "ca": "ca.pem"}})


def test_a_lease_that_is_short_is_probably_not_meant() -> None:
    config = load(overrides=cluster(lease="900ms"))
    assert [key for key, _ in risks_of_cluster(config)] == [("cluster", "lease")]
    assert not [*risks_of_cluster(load(overrides=cluster(lease="1s")))]
