"""Wrong usage exits with 2 and names what is wrong, before anything is started."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli import main
from tests.cli.process import quicgw

if TYPE_CHECKING:
    from pathlib import Path

WRONG = (
    ("frobnicate", "No such command"),
    ("serve --frobnicate", "No such option"),
    ("serve --quic 8443", "write HOST:PORT"),
    ("serve --admin localhost:http", "write HOST:PORT"),
    ("dev --grpc 127.0.0.1:65536", "write HOST:PORT"),
    ("dev extra", "unexpected extra argument"),
    ("call", "Missing argument"),
    ("call ''", "must not be empty"),
    ("call echo --server 127.0.0.1:0", "port 0"),
    ("call echo --server nowhere", "write HOST:PORT"),
    ("call echo --openid ''", "must not be empty"),
    ("call echo --param novalue", "KEY=VALUE"),
    ("call echo --param =value", "KEY=VALUE"),
    ("call echo --param a=1 --param a=2", "twice"),
    ("call echo --header novalue", "KEY=VALUE"),
    ("call echo --data @", "names no file"),
    ("call echo --ca -----BEGIN", "the text of one"),
    ("serve --config -----BEGIN", "the text of one"),
    ("gentoken alice --key -----BEGIN", "the text of one"),
    ("call echo --connect-timeout 0", "above 0"),
    ("call echo --ca {file} --insecure", "--insecure"),
    ("call echo --timeout soon", "not a valid duration"),
    ("call echo --timeout 0", "above 0"),
    ("call echo --wait=-1", "not a valid duration"),
    ("upstream --mode pony", "pony"),
    ("upstream --zone 001", "--mode zone"),
    ("upstream --mode zone --zone 007", "unknown zone"),
    ("upstream --mode zone --zone 001 --zone 001", "twice"),
    ("upstream --ports 1,2", "2 ports for 3 services"),
    ("upstream --ports 1,2,x", "list of ports"),
    ("upstream --gateway somewhere", "write HOST:PORT"),
    ("push unicast", "Missing option"),
    ("push unicast --to alice", "session:ID"),
    ("push unicast --to room:alice", "session:ID"),
    ("push unicast --to openid:", "session:ID"),
    ("push unicast --to openid:alice --before 1 --after 1", "--after"),
    ("push unicast --to openid:alice --before 0", "--before"),
    ("push unicast --to openid:alice --meta novalue", "KEY=VALUE"),
    ("push unicast --to openid:alice --gateway :1", "write HOST:PORT"),
    ("group join", "Missing argument"),
    ("group join g", "Missing option"),
    ("group join g --member gid:g1", "session:ID"),
    ("group leave g --member openid:", "session:ID"),
    ("group join g --member openid:alice --ttl 50d", "49 days"),
    ("group push g --meta novalue", "KEY=VALUE"),
    ("push broadcast --to openid:alice", "No such option"),
    ("gentoken alice", "give exactly one"),
    ("gentoken alice --key a --new-key b", "give exactly one"),
    ("gentoken --key a", "whom"),
    ("gentoken '' --key a", "must not be empty"),
    ("gentoken alice --key a --algorithm none", "none"),
    ("gentoken alice --key a --ttl 0", "above 0"),
    ("demo --clients 1", "must be at least 2"),
    ("demo --clients 999", "must be at most 200"),
    ("demo --clients x", "must be a whole number"),
    ("bench --rate x", "must be a number"),
    ("demo --requests 0", "--requests"),
    # What was probably meant
    ("sevre", "Did you mean 'serve'?"),
    ("serve --confg x", "Did you mean --config?"),
    ("serve gateway.toml", "Did you mean --config gateway.toml?"),
    ("dev {file}", "Did you mean --config {file}?"),
    ("reload gateway.toml", "Did you mean --config gateway.toml?"),
    ("config gateway.toml", "Did you mean --config gateway.toml?"),
    ("call echo hello", "Did you mean --data hello?"),
    ("call echo a=1", "Did you mean --param a=1?"),
    ("call echo --admin 127.0.0.1:1", "address is --server here"),
    ("bench --server 127.0.0.1:1", "stands alone here, as HOST:PORT"),
    ("push unicast openid:alice", "Missing option '--to'. Did you mean --to openid:alice?"),
    ("push unicast --to alice", "did you mean openid:alice?"),
    ("push unicst --to openid:a", "Did you mean 'unicast'?"),
    ("push unicast --to group:attic", "; quicgw group push attic reaches the members of a group"),
    ("kick alice", "did you mean openid:alice?"),
    ("session openid:", "has no name; write openid:NAME"),
    ("sessions --openid ''", "is empty"),
    ("sessions --state asleep", "'asleep' is unknown; choose from INITED, NORMAL, ATTACHED, DETACHED"),
    ("group join attic --member openid:a --ttl 0", "must be above 0"),
    ("events openid:alice", "Did you mean --openid alice?"),
    ("drain 127.0.0.1:8080", "Did you mean --admin 127.0.0.1:8080?"),
    ("--bogus sessions", "Options of a command stand behind it, as in quicgw COMMAND --bogus"),
    ("checkconfig", "give the file"),
    ("checkconfig {file} -c {file}", "give one file"),
    # Addresses
    ("sessions --admin http://127.0.0.1:8080", "leave out http:// in front, and write 127.0.0.1:8080"),
    ("sessions --admin http://127.0.0.1:8080/stats", "leave out http:// in front, and write 127.0.0.1:8080"),
    ("push unicast --to openid:a --gateway quic://localhost:1", "leave out quic:// in front, and write localhost:1"),
    ("call echo --server quic://localhost", "leave out quic:// in front, and write HOST:PORT"),
    ("serve --quic 127.0.0.1:8443/", "leave out what stands behind the port, and write 127.0.0.1:8443"),
    ("call echo --server localhost", "as it has no port; write HOST:PORT"),
    ("call echo --server [::1]", "as it has no port; write HOST:PORT"),
    ("call echo --server ::1:8443", "an IPv6 address stands in brackets; write [::1]:8443"),
    ("serve --admin ::1", "an IPv6 address stands in brackets; write [::1]:PORT"),
    ("top fe80::1:8080", "an IPv6 address stands in brackets"),
    ("bench 127.0.0.1:99999", "a port that does not exist; write HOST:PORT"),
)


@pytest.mark.parametrize(("line", "fragment"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_usage(
    line: str, fragment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("COLUMNS", "500")  # the path of a temporary file may be long
    arguments = ["" if word == "''" else word.format(file=file) for word in line.split()]
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    captured = capsys.readouterr()
    assert exited.value.code == 2
    assert captured.out == ""
    assert fragment.format(file=file) in captured.err


def test_what_is_like_nothing_that_there_is_gets_no_guess(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["events", "--since", "yesterday"])
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("line", ["call echo --bogus", "sessions --admin x", "push unicast", "--bogus", "frobnicate"])
def test_with_json_it_is_an_object(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main([*line.split(), "--json"])
    said = capsys.readouterr()
    assert (exited.value.code, said.err) == (2, "")
    told = json.loads(said.out)
    assert (told["version"], told["kind"], told["status"]) == (1, "error", 2)
    assert told["error"]["code"] == "USAGE"
    assert told["message"] == told["error"]["message"] != ""


def test_to_a_monitor_a_wrong_line_is_unknown_and_not_critical(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["check", "--bogus"])
    said = capsys.readouterr()
    assert (exited.value.code, said.out) == (3, "UNKNOWN - No such option: --bogus\n")
    with pytest.raises(SystemExit) as exited:
        main(["check", "-c", "gateway.toml"])
    assert exited.value.code == 3
    assert "a configuration is named with --config" in capsys.readouterr().out


def test_a_configuration_may_be_named_as_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("[log]\nlevel = 'info'\n")
    said = []
    for words in ((str(file),), ("-c", str(file)), ("--config", str(file))):
        with pytest.raises(SystemExit) as exited:
            main(["checkconfig", *words])
        said.append((exited.value.code, capsys.readouterr().out))
    assert said == [said[0]] * 3
    assert said[0][0] == 0


def test_a_process_says_the_same() -> None:
    done = quicgw("dev", "--frobnicate")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "No such option" in done.stderr
    assert "Traceback" not in done.stderr
