"""What is found in a configuration before anything is started, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import Config, load
from quicgw_fast.config.checking import Checked, check
from quicgw_fast.config.sample import sample
from quicgw_fast.config.tables.server import TlsConfig
from quicgw_fast.errors import ConfigError
from tests.config.likely import FILE, FILES, LIKELY, NO_TOML

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.config.likely import Likely, NoToml

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Checked]:
    """Look at a configuration in the folder that the test is in."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).touch()

    def checked(text: str) -> Checked:
        Path(FILE).write_text(text, encoding="utf-8")
        return check(Path(FILE))

    return checked


@pytest.mark.parametrize("likely", LIKELY, ids=lambda likely: likely.text)
def test_a_likely_mistake(checked: Callable[[str], Checked], likely: Likely) -> None:
    (mistake,) = checked(likely.text).mistakes
    (place,) = mistake.places
    assert likely.told in mistake.what
    assert (".".join(mistake.keys[0]), place.name) == (likely.key, FILE)
    assert (place.line, place.column) == (likely.line, likely.column)
    assert likely.suggestion in (None, mistake.meant)


@pytest.mark.parametrize("no_toml", NO_TOML, ids=lambda no_toml: no_toml.text)
def test_a_text_that_is_no_toml(checked: Callable[[str], Checked], no_toml: NoToml) -> None:
    found = checked(no_toml.text)
    assert found.config is None
    (mistake,) = found.mistakes
    assert no_toml.told in mistake.what
    assert mistake.places[0].line == no_toml.line
    assert no_toml.column in (None, mistake.places[0].column)


@pytest.mark.parametrize("minimal", [False, True])
def test_the_sample_is_good_and_means_the_defaults(checked: Callable[[str], Checked], minimal: bool) -> None:
    found = checked(sample(minimal=minimal))
    assert (found.config, found.mistakes) == (Config(), [])
    (warning,) = found.warnings
    assert "tls.cert and tls.key are not set" in warning.what


def test_an_empty_file_is_told(checked: Callable[[str], Checked]) -> None:
    assert "is empty" in checked(" \n").warnings[0].what


def test_a_file_of_a_key_without_effect_is_not_looked_for(checked: Callable[[str], Checked]) -> None:
    found = checked("[auth]\nkey_file = 'absent'\n")
    assert found.mistakes == []
    assert found.warnings[-1].places[0].line == 2


def test_a_file_that_may_not_be_read(checked: Callable[[str], Checked], monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever runs the tests may be somebody who may do everything.
    monkeypatch.setattr("os.access", lambda *_: False)
    text = "[tls]\ncert = 'server.pem'\nkey = 'server.key'\n[server]\nreset_key_file = 'reset.key'\n"
    found = {".".join(one.keys[0]): one.what for one in checked(text).mistakes}
    assert "cannot be read by this user" in found["tls.cert"]
    assert "this user cannot make it" in found["server.reset_key_file"]


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("[control]\nopen_to_network = ['grpc']", "control.open_to_network", "has no effect"),
        ("[server]\ngrpc = '0.0.0.0:1'\n[control]\nopen_to_network = ['grpc']", "server.grpc", "open to the network"),
        (
            "[server]\ngrpc = '0.0.0.0:1'\n[control]\ngrpc_token_file = 'server.pem'",
            "control.grpc_token_file",
            "go over the network as they are",
        ),
        (
            "[server]\nadmin = '0.0.0.0:1'\n[control]\nadmin_token_file = 'server.pem'",
            "control.admin_token_file",
            "go over the network as they are",
        ),
        ("[session]\ntimeout = '1s'", "session.timeout", "is closed as idle"),
        ("[limits]\nin_flight = 2000", "limits.in_flight", "overflows its window"),
        ("[offline]\npath = 'x.db'", "offline.path", 'set it to "sqlite"'),
        ("[offline]\nmax_age = '1d'", "offline.max_age", 'offline.store is "off"'),
        ("[routing]\nzone_ranges = [[1, 2, '001']]", "routing.zone_ranges", 'routing.mode is "service"'),
    ],
)
def test_a_warning_has_its_place(checked: Callable[[str], Checked], text: str, key: str, told: str) -> None:
    found = checked(text)
    assert found.mistakes == []
    (warning,) = [one for one in found.warnings if one.keys]
    assert ".".join(warning.keys[0]) == key
    assert told in warning.what
    assert warning.places[0].line is not None


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("QUICGW_SESSION_TIMEOUT", "QUICGW_SESSION__TIMEOUT"),
        ("QUICGW_SESION_TIMEOUT", "QUICGW_SESSION__TIMEOUT"),
        ("QUICGW_SESSION_TIMEOT", "QUICGW_SESSION__TIMEOUT"),
        ("QUICGW_FASTT", "QUICGW_FAST"),
        ("QUICGW_SERVER_PORT", ""),
    ],
)
def test_a_variable_that_is_not_read(
    checked: Callable[[str], Checked], monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "x")
    (warning,) = [one for one in checked("").warnings if one.places[0].name == variable]
    assert warning.meant == meant
    assert variable in warning.what


def test_ports_that_anybody_could_use_are_refused() -> None:
    for port in ("grpc", "admin"):
        with pytest.raises(ConfigError, match=rf"server\.{port}: anybody on the network"):
            load(overrides={"server": {port: "0.0.0.0:1"}})
    with pytest.raises(ConfigError, match="TLS needs both"):
        load(overrides={"control": {"cert": "x"}})
    with pytest.raises(ConfigError, match="over TLS alone"):
        load(overrides={"control": {"client_ca": "x"}})


def test_a_certificate_and_its_key_go_together() -> None:
    cert = Path("server.pem")
    assert TlsConfig(cert=cert, key=Path("server.key")).pair() == (cert, Path("server.key"))
    assert TlsConfig(cert=cert).pair(b"key") == (cert, b"key")
    for tls, told in (
        (TlsConfig(), "tls.cert and tls.key are not set"),
        (TlsConfig(cert=cert), "only tls.cert is set, tls.key is not"),
        (TlsConfig(key=cert), "only tls.key is set, tls.cert is not"),
    ):
        with pytest.raises(ConfigError, match=told):
            tls.pair()
