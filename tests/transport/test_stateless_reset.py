"""Stateless resets (RFC 9000 §10.3): a restarted gateway tells old clients at once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.errors import StartupError
from quicgw_fast.transport import Listener, TransportLimits, development_certificate
from quicgw_fast.transport.packets import (
    LONGEST_RESET,
    SHORTEST_RESET,
    LongHeader,
    carries_token,
    pull_long_header,
    reset_tokens,
    stateless_reset,
)
from quicgw_fast.transport.reset_key import kept_reset_key, reset_key_for

from .helpers import HOST, RawClient, Recorders, dial, listen, listening, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]


async def kill(listener: Listener, server: Recorders) -> tuple[str, int]:
    """End a listener as a crash would: without a word to anybody."""
    address = listener.address
    for recorder in server:
        recorder.connection.abort(0, "", tell_peer=False)
    await listener.close()
    return address


async def start(identity: Identity, server: Recorders, key: bytes, port: int = 0) -> Listener:
    certificate, private = identity
    return await listen(HOST, port, certificate=certificate, private_key=private, factory=server, reset_key=key)


async def test_a_client_of_a_restarted_gateway_learns_at_once(identity: Identity, tmp_path: Path) -> None:
    """Also when its TLS key was renewed meanwhile: the secret of resets is another one."""
    server, client = Recorders(echo=True), Recorders()
    secret = kept_reset_key(tmp_path / "reset.key")
    old = await start(identity, server, key=secret)
    connection = await dial(*old.address, factory=client, insecure=True)
    connection.send(b"hello")
    await until(lambda: client[0].data == b"hello")
    _, port = await kill(old, server)
    renewed = development_certificate(tmp_path / "renewed")
    new = await start(renewed, server, kept_reset_key(tmp_path / "reset.key"), port)
    connection.send(b"anybody there? " * 4)
    code, reason, by_peer = await client[0].end()
    assert (code, by_peer) == (CloseCode.INTERNAL, True)
    assert "no longer knows" in reason
    await connection.wait_closed()
    assert new.counters.stateless_resets >= 1
    await new.close()


def test_a_kept_reset_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "new" / "reset.key"
    secret = kept_reset_key(path)
    assert kept_reset_key(path) == secret == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["reset.key"]
    assert kept_reset_key(tmp_path / "other.key") != secret
    assert not caplog.records
    path.chmod(0o646)
    assert kept_reset_key(path) == secret
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["file"]) == ("secret file exposed", str(path))
    assert record.__dict__["everybody_may"] == "read and write"
    path.write_bytes(b"too little")
    with pytest.raises(StartupError, match=r"not a reset key.*server\.reset_key_file"):
        kept_reset_key(path)
    with pytest.raises(OSError, match="directory"):
        kept_reset_key(tmp_path)


def test_where_the_secret_comes_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    tls_key = tmp_path / "key.pem"
    assert len({reset_key_for(None, tls_key, port) for port in (0, 0, 8443, 8444, 8443)}) == 4
    assert len(list(tmp_path.glob("quicgw-reset-*-844[34].key"))) == 2
    given = tmp_path / "given.key"
    assert reset_key_for(given, tls_key, 0) == given.read_bytes() != reset_key_for(None, tls_key, 8443)
    assert not caplog.records
    nowhere = given / "key.pem"
    assert reset_key_for(None, nowhere, 8443) != reset_key_for(None, nowhere, 8443)
    assert {record.getMessage() for record in caplog.records} == {"reset key not kept"}
    with pytest.raises(StartupError, match=r"neither read nor made.*server\.reset_key_file"):
        reset_key_for(tmp_path, tls_key, 8443)


async def test_resets_can_be_switched_off_and_short_packets_get_none(identity: Identity) -> None:
    for limits, count, expected in (
        (TransportLimits(stateless_reset=False), 60, 0),
        (TransportLimits(), SHORTEST_RESET, 0),
        (TransportLimits(), SHORTEST_RESET + 1, 1),
    ):
        async with listening(identity, Recorders(), limits) as listener, RawClient(listener.address) as client:
            await client.connected()
            client.sock.sendto(b"\x40" + bytes(count - 1), listener.address)
            await until(lambda listener=listener: listener.counters.dropped)
            assert listener.counters.stateless_resets == expected


def test_tokens_depend_on_key_and_connection_id() -> None:
    tokens = reset_tokens(b"k" * 32)
    assert tokens(b"a" * 8) == reset_tokens(b"k" * 32)(b"a" * 8)
    assert len({tokens(b"a" * 8), tokens(b"b" * 8)}) == 2
    assert len(tokens(b"")) == 16


@pytest.mark.parametrize("received", [0, 10, 21, 22, 43, 44, 1200])
def test_a_reset_is_shorter_than_its_cause(received: int) -> None:
    token = bytes(range(16))
    answer = stateless_reset(received, token)
    if received <= SHORTEST_RESET:
        assert answer is None
    else:
        assert answer is not None
        assert SHORTEST_RESET <= len(answer) < received
        assert len(answer) <= LONGEST_RESET
        assert answer[0] & 0xC0 == 0x40
        assert carries_token(answer, [bytes(16), token])
        assert not carries_token(answer, [bytes(16)])
    assert not carries_token(token, [token])


def test_long_headers_of_any_length() -> None:
    whole = b"\xc0\x00\x00\x00\x01\x03abc\x02de"
    assert pull_long_header(whole + b"rest") == LongHeader(1, b"abc", b"de")
    for cut in range(len(whole)):
        assert pull_long_header(whole[:cut]) is None
    assert pull_long_header(b"\x80" + bytes(4) + b"\xff" + bytes(255) + b"\x00") == LongHeader(0, bytes(255), b"")
