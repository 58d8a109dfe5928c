"""What is shown of the values in use, and of where they come from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import Config, changed, effective, effective_report, load, without_restart
from quicgw_fast.config.values import without_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("clean_environment")


def rows(config: Config, **flags: bool) -> dict[str, dict[str, Any]]:
    report = effective_report(config, **flags)
    assert report["version"] == 1
    assert json.loads(json.dumps(report)) == report
    return dict(report["settings"])


def test_defaults_are_defaults() -> None:
    shown = rows(Config())
    assert shown["session.timeout"] == {
        "value": "5m",
        "default": "5m",
        "changed": False,
        "from": "default",
        "live": True,
    }
    assert shown["tls.cert"]["value"] is None
    assert rows(Config(), changed=True) == {}
    assert {one.place.short for one in effective(Config())} == {"default"}


def test_every_origin_is_named(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write('[session]\ntimeout = "31s"\nresume_window = "9s"\nstart_timeout = "1s"\n[tls]\ncert = "a.pem"\n')
    monkeypatch.setenv("QUICGW_SESSION__RESUME_WINDOW", "2s")
    monkeypatch.setenv("QUICGW_LIMITS", '{"in_flight": 5}')
    monkeypatch.setenv("QUICGW_FAST", "1")
    config = load(path, {"session": {"start_timeout": "3s"}})
    shown = rows(config, changed=True)
    assert {key: (row["value"], row["from"]) for key, row in shown.items()} == {
        "server.transport": ("quinn", "variable"),
        "tls.cert": (str(path.parent / "a.pem"), "file"),
        "upstream.client": ("native", "variable"),
        "session.timeout": ("31s", "file"),
        "session.resume_window": ("2s", "variable"),
        "session.start_timeout": ("3s", "flag"),
        "limits.in_flight": (5, "variable"),
    }
    assert (shown["session.timeout"]["file"], shown["session.timeout"]["line"]) == (str(path), 2)
    assert shown["session.resume_window"]["variable"] == "QUICGW_SESSION__RESUME_WINDOW"
    assert shown["limits.in_flight"]["variable"] == "QUICGW_LIMITS"
    places = {one.setting.key: one.place.short for one in effective(config)}
    assert (places["session.timeout"], places["server.transport"]) == (f"{path}:2", "QUICGW_FAST")


def test_what_an_operator_changed_says_so_and_the_rest_stays(write: Callable[[str], Path]) -> None:
    path = write("[limits]\nin_flight = 7\nmessage_burst = 8\n")
    shown = rows(changed(load(path), {"limits": {"in_flight": 9}}), changed=True)
    assert (shown["limits.in_flight"]["value"], shown["limits.in_flight"]["from"]) == (9, "change")
    assert (shown["limits.message_burst"]["from"], shown["limits.message_burst"]["line"]) == ("file", 3)


def test_what_stays_until_a_restart_comes_from_where_it_came(write: Callable[[str], Path]) -> None:
    before = load(write("[processor]\nmax_workers = 3\ntask_timeout = '9s'\n"))
    after = load(write("[processor]\n\n\nmax_workers = 4\ntask_timeout = '8s'\n"))
    shown = rows(without_restart(before, after), changed=True)
    assert (shown["processor.max_workers"]["value"], shown["processor.max_workers"]["line"]) == (3, 2)
    assert (shown["processor.task_timeout"]["value"], shown["processor.task_timeout"]["line"]) == ("8s", 5)


def test_where_something_is_written_makes_no_difference(write: Callable[[str], Path]) -> None:
    assert load(write('[session]\ntimeout = "5m"\n')) == load(write('\n[session]\ntimeout = "5m"\n'))
    assert Config() != load(write('[session]\ntimeout = "6m"\n'))
    assert Config() != "a configuration"


def test_a_written_default_is_told_with_its_place_and_not_as_a_change(write: Callable[[str], Path]) -> None:
    config = load(write('[session]\ntimeout = "300s"\n'))
    assert rows(config)["session.timeout"]["from"] == "file"
    assert rows(config, changed=True) == {}


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("valkey://me:hush@host:1/0", "valkey://***@host:1/0"),
        ("https://token@host", "https://***@host"),
        ("https://host/a@b", "https://host/a@b"),
        ("me@host", "me@host"),
    ],
)
def test_a_password_in_an_address_is_hidden(text: str, hidden: str) -> None:
    assert without_password(text) == hidden


def test_a_password_gets_into_no_message(write: Callable[[str], Path]) -> None:
    with pytest.raises(Exception, match="reconnect_to") as caught:
        load(write('[drain]\nreconnect_to = "valkey://me:hush@host"\n'))
    assert "hush" not in str(caught.value)
    config = load(write('[routing]\ndefault = "x://me:hush@host"\n'))
    assert "hush" not in json.dumps(effective_report(config))
