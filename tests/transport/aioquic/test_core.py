"""aioquic's private parts that we stand on: fails when a release removes or changes one of them."""

from __future__ import annotations

import ast
import hashlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aioquic.quic import connection, packet_builder, recovery, stream
from aioquic.tls import Epoch

from quicgw_fast.transport.aioquic.core import GatewayQuic
from quicgw_fast.transport.aioquic.receiving import ReceivingQuic
from quicgw_fast.transport.aioquic.sending import SendingQuic

from .pair import CLIENT, SERVER, connected_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

# Overridden or relied-on code, with a digest of its source in the tested release. When one differs: read what
# changed, see whether our step in core.py, sending.py or receiving.py still does the right thing, then renew
# the digest (the failure shows it).
SOURCES = {
    "QuicConnection._confirm_handshake": "ffec907008d18273",
    "QuicConnection._get_or_create_stream": "aee09c84cd0da114",
    "QuicConnection._handle_ack_frame": "a9cf2707aa0f99a5",
    "QuicConnection._handle_connection_close_frame": "66f05d8258d15e1b",
    "QuicConnection._handle_padding_frame": "22b37c79d3b79ef0",
    "QuicConnection._payload_received": "612b67759a96c701",
    "QuicConnection._serialize_transport_parameters": "be651f3ddfcd3f39",
    "QuicConnection._handle_crypto_frame": "e77f8695d9acaf8e",
    "QuicConnection._handle_stream_frame": "8c79348a854e307d",
    "QuicConnection._handle_streams_blocked_frame": "e5edd9a92f2df390",
    "QuicConnection._initialize": "6a41681e541c05d7",
    "QuicConnection._on_connection_limit_delivery": "ffc582d72ac9685a",
    "QuicConnection._on_max_stream_data_delivery": "76e906ea95ee03fe",
    "QuicConnection._replenish_connection_ids": "73b127efb89c53a3",
    "QuicConnection._write_ack_frame": "dc0bde63adda7ae4",
    "QuicConnection._write_application": "c37bf64378f72b2f",
    "QuicConnection._write_connection_limits": "02c42c5455ae1a31",
    "QuicConnection._write_stream_limits": "398d4a898f7c580f",
    "QuicConnection.close": "f24ea1b2912e68d7",
    "QuicConnection.datagrams_to_send": "f4eb22c8add260fe",
    "QuicConnection.get_timer": "07184a05f894e968",
    "QuicConnection.handle_timer": "8ebd76a179bf5e25",
    "QuicConnection.receive_datagram": "3c7f29826050cbfe",
    "QuicConnection.request_key_update": "5f5b283854898c8e",
    "QuicStreamReceiver.handle_frame": "c54bce9f11e6f2de",
    "QuicStreamSender.on_data_delivery": "675e1c2812ea3744",
    "QuicStreamSender.write": "77d188425093015b",
}

MODULES = (connection, packet_builder, recovery, stream)


def digest(name: str) -> str:
    owner, _, method = name.partition(".")
    holder = next(getattr(module, owner) for module in MODULES if hasattr(module, owner))
    return hashlib.sha256(inspect.getsource(getattr(holder, method)).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", SOURCES)
def test_the_code_that_we_stand_on_is_the_tested_one(name: str) -> None:
    assert digest(name) == SOURCES[name]


@pytest.mark.parametrize("half", [ReceivingQuic, SendingQuic, GatewayQuic])
def test_overridden_methods_exist_with_the_same_parameters(half: type) -> None:
    for name, ours in vars(half).items():
        theirs = getattr(connection.QuicConnection, name, None)
        if theirs is None:
            assert not name.startswith("_") or name in ADDED, name
        elif inspect.isfunction(ours) and name != "__init__":
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


ADDED = {
    "_control_due",
    "_forget_acks",
    "_gw_may_read",
    "_gw_moved",
    "_gw_name",
    "_probing_due",
    "_skip_packet_number",
    "_stream_control_due",
    "__firstlineno__",
    "__static_attributes__",
}

# Every private name of aioquic that we use, by the object that has it.
STATE = {
    "_QuicConnection__frame_handlers", "_ack_delay", "_close_at", "_close_event", "_close_pending", "_crypto_streams",
    "_cryptos", "_handshake_complete", "_handshake_confirmed", "_handshake_done_pending", "_host_cids", "_is_client",
    "_local_initial_source_connection_id", "_local_max_data", "_local_max_streams_bidi", "_local_max_streams_uni",
    "_logger", "_loss", "_loss_at", "_network_paths", "_pacing_at", "_packet_number", "_peer_cid",
    "_peer_cid_available", "_ping_pending", "_probe_pending", "_remote_max_idle_timeout", "_retire_connection_ids",
    "_spaces", "_state", "_streams", "_streams_blocked_pending",
}  # fmt: skip
STEPS = {
    "_confirm_handshake", "_get_or_create_stream", "_handle_ack_frame", "_handle_crypto_frame", "_handle_padding_frame",
    "_handle_stream_frame", "_handle_streams_blocked_frame", "_initialize", "_on_connection_limit_delivery",
    "_on_max_stream_data_delivery", "_parse_transport_parameters", "_payload_received", "_replenish_connection_ids",
    "_serialize_transport_parameters", "_write_ack_frame", "_write_connection_limits", "_write_stream_limits",
}  # fmt: skip
RECOVERY = {"_get_loss_space", "_logger", "_pto_count", "_time_of_last_sent_ack_eliciting_packet"}
SENDER = {"_buffer", "_buffer_start", "_reset_error_code"}
RECEIVER = {"_buffer_start", "_ranges"}
TLS = {"_peer_certificate"}

HALVES = ("core.py", "receiving.py", "sending.py")


def private_names(path: Path) -> Iterator[tuple[str, bool]]:
    """Names with a leading underscore that a file reads, sets or defines, and whether ``self`` has them there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
            yield node.attr, isinstance(node.value, ast.Name) and node.value.id == "self"
        elif isinstance(node, ast.ClassDef):
            steps = [step.name for step in node.body if isinstance(step, ast.FunctionDef)]
            yield from ((name, True) for name in steps if name.startswith("_"))


def test_every_private_name_that_we_use_is_listed() -> None:
    folder = Path(inspect.getfile(GatewayQuic)).parent
    used = {name for half in HALVES for name, _ in private_names(folder / half)}
    theirs = {name for name in used - ADDED if not name.startswith(("_gw_", "__")) and name != "_core"}
    assert theirs == STATE | STEPS | RECOVERY | SENDER | RECEIVER | TLS


def test_nothing_else_of_the_maker_uses_private_names() -> None:
    for path in Path(inspect.getfile(GatewayQuic)).parent.glob("*.py"):
        if path.name not in HALVES:
            foreign = {name for name, own in private_names(path) if not own}
            assert not foreign, f"{path.name} uses {foreign}"


def test_the_names_that_we_use_exist() -> None:
    client, server, now = connected_pair()
    client.send_stream_data(0, b"x")
    deliver(client, server, CLIENT, now)
    assert set(dir(connection.QuicConnection)) >= STEPS
    for core in (client, server):
        assert set(vars(core)) >= STATE
        assert set(dir(core._loss)) >= RECOVERY
        assert set(vars(core.tls)) >= TLS
        sender, receiver = core._streams[0].sender, core._streams[0].receiver
        assert set(vars(sender)) >= SENDER | {"buffer_is_empty", "reset_pending"}
        assert set(vars(receiver)) >= RECEIVER | {"stop_pending"}
        assert set(core._spaces) == {Epoch.INITIAL, Epoch.HANDSHAKE, Epoch.ONE_RTT}
        assert {"is_validated", "addr"} <= set(vars(core._network_paths[0]))
        assert {"sent_packets", "ack_queue", "ack_at"} <= set(vars(core._spaces[Epoch.ONE_RTT]))
        # aioquic asks our table, which counts the frames, for every handler.
        assert core._QuicConnection__frame_handlers is core._gw_handlers
        assert len(core._gw_handlers.table) == 33
        assert core.gw_space is core._spaces[Epoch.ONE_RTT]
        assert core._loss._time_of_last_sent_ack_eliciting_packet > 0.0
    assert server._local_max_streams_bidi.value == server._local_max_streams_bidi.sent == 1
    assert client._local_max_streams_bidi.value == server._local_max_streams_uni.value == 0
    assert connection.QuicConnectionState.FIRSTFLIGHT.value == 0


def test_an_ack_waits_for_data_to_ride_on() -> None:
    client, server, now = connected_pair()
    now += 1.0
    deliver(client, server, CLIENT, now)
    deliver(server, client, SERVER, now)
    client.send_stream_data(0, b"request")
    deliver(client, server, CLIENT, now)
    server.plan_ack(now)
    assert not server.has_output(now), "an ACK alone waits"
    server.send_stream_data(0, b"answer")
    server.plan_ack(now)
    assert server.has_output(now)
    assert len(server.datagrams_to_send(now)) == 1
    assert server.gw_space is not None
    assert server.gw_space.ack_at is None
    assert not server.has_output(now)


def test_bulk_is_acknowledged_every_two_datagrams() -> None:
    client, server, now = connected_pair()
    now += 1.0
    server.datagrams_to_send(now)
    client.send_stream_data(0, bytes(20_000))
    datagrams = client.datagrams_to_send(now)
    assert len(datagrams) >= 3
    acked = 0
    for data, _ in datagrams:
        server.gw_received_unacked += len(data)
        server.receive_datagram(data, CLIENT, now)
        server.plan_ack(now)
        if server.has_output(now):
            acked += 1
            server.datagrams_to_send(now)
    assert acked == len(datagrams) // 2


def deliver(source: GatewayQuic, target: GatewayQuic, address: tuple[str, int], now: float) -> None:
    for data, _ in source.datagrams_to_send(now):
        target.receive_datagram(data, address, now)
