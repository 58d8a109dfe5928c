"""aioquic's private parts that we stand on: fails when a release removes or changes one of them."""

from __future__ import annotations

import ast
import hashlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aioquic import _crypto
from aioquic.quic import connection, crypto, packet, packet_builder, rangeset, recovery, stream
from aioquic.tls import Epoch

from quicgw_fast.transport.aioquic.core import BUSY_PARTS, GatewayQuic
from quicgw_fast.transport.aioquic.receiving import ReceivingQuic
from quicgw_fast.transport.aioquic.sending import SendingQuic
from quicgw_fast.transport.aioquic.short_receiving import ShortReceiving, ranges_of
from quicgw_fast.transport.aioquic.short_sending import ShortSending

from .pair import CLIENT, SERVER, connected_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

# Overridden or relied-on code, with a digest of its source in the tested release. When one differs: read what
# changed, see whether our step in one of HALVES still does the right thing, then renew the digest (the failure
# shows it).
SOURCES = {
    "AEAD._nonce": "cdb45a754af0032d",
    "AEAD.decrypt": "3cb5f698b2ee2dc4",
    "AEAD.encrypt": "dcd48e4cec215a20",
    "CryptoContext.decrypt_packet": "fe94c52f762d3f3d",
    "CryptoContext.encrypt_packet": "fe4c0f9b61d15b01",
    "CryptoPair.decrypt_packet": "2d2c3a3bf1295a27",
    "CryptoPair.encrypt_packet": "f244294823e49235",
    "CryptoPair.key_phase": "e7a3f87d62e7b134",
    "HeaderProtection.apply": "dfbedf5f0cb7f981",
    "HeaderProtection.remove": "86c5aacd3c9c1024",
    "QuicConnection._confirm_handshake": "ffec907008d18273",
    "QuicConnection._flush_builder": "ac4bd66d7c3892df",
    "QuicConnection._get_or_create_stream": "aee09c84cd0da114",
    "QuicConnection._get_or_create_stream_for_send": "b68479a29862b421",
    "QuicConnection._handle_ack_frame": "a9cf2707aa0f99a5",
    "QuicConnection._handle_connection_close_frame": "66f05d8258d15e1b",
    "QuicConnection._handle_crypto_frame": "e77f8695d9acaf8e",
    "QuicConnection._handle_padding_frame": "22b37c79d3b79ef0",
    "QuicConnection._handle_stream_frame": "8c79348a854e307d",
    "QuicConnection._handle_streams_blocked_frame": "e5edd9a92f2df390",
    "QuicConnection._idle_timeout": "8549f45b09415b1a",
    "QuicConnection._initialize": "6a41681e541c05d7",
    "QuicConnection._on_ack_delivery": "14648d79ecc50a3d",
    "QuicConnection._on_connection_limit_delivery": "ffc582d72ac9685a",
    "QuicConnection._on_max_stream_data_delivery": "76e906ea95ee03fe",
    "QuicConnection._payload_received": "612b67759a96c701",
    "QuicConnection._replenish_connection_ids": "73b127efb89c53a3",
    "QuicConnection._serialize_transport_parameters": "be651f3ddfcd3f39",
    "QuicConnection._write_ack_frame": "dc0bde63adda7ae4",
    "QuicConnection._write_application": "c37bf64378f72b2f",
    "QuicConnection._write_connection_limits": "02c42c5455ae1a31",
    "QuicConnection._write_stream_frame": "9bc0be962394a322",
    "QuicConnection._write_stream_limits": "398d4a898f7c580f",
    "QuicConnection.close": "f24ea1b2912e68d7",
    "QuicConnection.datagrams_to_send": "f4eb22c8add260fe",
    "QuicConnection.get_timer": "07184a05f894e968",
    "QuicConnection.handle_timer": "8ebd76a179bf5e25",
    "QuicConnection.receive_datagram": "3c7f29826050cbfe",
    "QuicConnection.request_key_update": "5f5b283854898c8e",
    "QuicConnection.send_stream_data": "d10cbdd766b528a6",
    "QuicPacketBuilder._end_packet": "585948d0382505b3",
    "QuicPacketBuilder.start_frame": "53af20167bc2f0e0",
    "QuicPacketBuilder.start_packet": "63a59deba3617ddc",
    "QuicPacketRecovery._detect_loss": "56e5a246bb22cb69",
    "QuicPacketRecovery.get_loss_detection_time": "de155cb9bef95f8e",
    "QuicPacketRecovery.get_probe_timeout": "782ca5036a10bc2f",
    "QuicPacketRecovery.on_ack_received": "1a7c693479084333",
    "QuicPacketRecovery.on_packet_sent": "a83baa6e05702f89",
    "QuicStreamReceiver.handle_frame": "c54bce9f11e6f2de",
    "QuicStreamSender.get_frame": "c9d68a424b94b52b",
    "QuicStreamSender.on_data_delivery": "675e1c2812ea3744",
    "QuicStreamSender.write": "77d188425093015b",
    "RangeSet.add": "409fdd202a29b2cd",
    "RangeSet.shift": "113c519c72ff5841",
    "RangeSet.subtract": "790c2afeb0cba510",
    "decode_packet_number": "4cfc0ae8620a2bb9",
    "pull_ack_frame": "4226facfbe35b7be",
    "push_ack_frame": "121c52341e802eac",
}

MODULES = (connection, crypto, _crypto, packet, packet_builder, rangeset, recovery, stream)


def digest(name: str) -> str:
    owner, _, method = name.partition(".")
    code = next(getattr(module, owner) for module in MODULES if hasattr(module, owner))
    if method:
        code = vars(code)[method]
    return hashlib.sha256(inspect.getsource(getattr(code, "fget", code)).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", SOURCES)
def test_the_code_that_we_stand_on_is_the_tested_one(name: str) -> None:
    assert digest(name) == SOURCES[name]


@pytest.mark.parametrize("half", [ShortReceiving, ShortSending, ReceivingQuic, SendingQuic, GatewayQuic])
def test_overridden_methods_exist_with_the_same_parameters(half: type) -> None:
    for name, ours in vars(half).items():
        theirs = getattr(connection.QuicConnection, name, None)
        if theirs is None:
            assert not name.startswith("_") or name in ADDED, name
        elif inspect.isfunction(ours) and name != "__init__":
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


ADDED = {
    "__firstlineno__",
    "__static_attributes__",
    "_build",
    "_control_due",
    "_delivered",
    "_forget_acks",
    "_gw_end_handshake",
    "_gw_may_read",
    "_gw_moved",
    "_gw_name",
    "_is_new",
    "_is_next",
    "_may_receive_short",
    "_may_send_short",
    "_open",
    "_probing_due",
    "_protect",
    "_read",
    "_read_ack",
    "_receive_short",
    "_send_short",
    "_skip_packet_number",
    "_stream_control_due",
    "_take_number",
    "_take_stream",
    "_write_ack",
    "_write_stream",
}

# Every private name of aioquic that we use, by the object that has it.
STATE = {
    "_QuicConnection__frame_handlers", "_ack_delay", "_ack_eliciting_sent_since_receipt", "_close_at",
    "_close_event", "_close_pending", "_configuration", "_crypto_buffers", "_crypto_streams", "_cryptos",
    "_datagrams_pending",
    "_events", "_handshake_complete", "_handshake_confirmed", "_handshake_done_pending", "_host_cids", "_is_client",
    "_local_ack_delay_exponent", "_local_initial_source_connection_id", "_local_max_data",
    "_local_max_streams_bidi", "_local_max_streams_uni", "_logger", "_loss", "_loss_at", "_max_datagram_size",
    "_network_paths", "_pacing_at", "_packet_number", "_peer_cid", "_peer_cid_available", "_ping_pending",
    "_probe_pending", "_quic_logger", "_remote_ack_delay_exponent", "_remote_max_data", "_remote_max_data_used",
    "_remote_max_idle_timeout", "_remote_preferred_address", "_retire_connection_ids", "_spaces", "_spin_bit",
    "_spin_highest_pn", "_state", "_streams", "_streams_blocked_pending",
}  # fmt: skip
STEPS = {
    "_confirm_handshake", "_get_or_create_stream", "_handle_ack_frame", "_handle_crypto_frame",
    "_handle_padding_frame", "_handle_stream_frame", "_handle_streams_blocked_frame", "_idle_timeout",
    "_initialize", "_on_connection_limit_delivery", "_on_max_stream_data_delivery", "_parse_transport_parameters",
    "_payload_received", "_replenish_connection_ids", "_serialize_transport_parameters", "_write_connection_limits",
    "_write_stream_limits",
}  # fmt: skip
RECOVERY = {
    "_cc", "_detect_loss", "_get_loss_space", "_logger", "_pacer", "_pto_count", "_rtt_first_sample_time",
    "_rtt_initialized", "_rtt_latest", "_rtt_min", "_rtt_smoothed", "_rtt_variance",
    "_time_of_last_sent_ack_eliciting_packet",
}  # fmt: skip
SENDER = {"_acked", "_buffer", "_buffer_fin", "_buffer_start", "_buffer_stop", "_pending", "_reset_error_code"}
RECEIVER = {"_buffer_start", "_final_size", "_ranges"}
KEYS = {"_update_key_requested"}
AEAD = {"_aead", "_iv"}
PROTECTION = {"_mask"}
TLS = {"_peer_certificate"}

HALVES = ("core.py", "receiving.py", "sending.py", "short_ack.py", "short_receiving.py", "short_sending.py")


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
    assert theirs == STATE | STEPS | RECOVERY | SENDER | RECEIVER | TLS | KEYS | AEAD | PROTECTION


def test_what_a_connection_is_taken_apart_into_is_there() -> None:
    _, server, _ = connected_pair()
    assert set(BUSY_PARTS) <= set(vars(server))


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
        assert core.gw_keys is core._cryptos[Epoch.ONE_RTT]
        assert core.gw_crypto is core._crypto_streams[Epoch.ONE_RTT].sender
        assert set(vars(core.gw_keys)) >= KEYS
        for keys in (core.gw_keys.send, core.gw_keys.recv):
            assert set(vars(keys.aead)) >= AEAD
            assert set(dir(keys.hp)) >= PROTECTION
        assert ranges_of(rangeset.RangeSet([range(1, 2)])) == [range(1, 2)]
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
