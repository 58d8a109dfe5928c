"""Wrong usage exits with 2 and names what is wrong, before anything is started."""

from __future__ import annotations

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
    ("demo --clients 1", "--clients"),
    ("demo --requests 0", "--requests"),
)


@pytest.mark.parametrize(("line", "fragment"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_usage(
    line: str, fragment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("COLUMNS", "200")
    arguments = ["" if word == "''" else word.format(file=file) for word in line.split()]
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    captured = capsys.readouterr()
    assert exited.value.code == 2
    assert captured.out == ""
    assert fragment in captured.err


def test_a_process_says_the_same() -> None:
    done = quicgw("dev", "--frobnicate")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "No such option" in done.stderr
    assert "Traceback" not in done.stderr
