"""A mistake in every place where one is likely: told with file, line, column and what was probably meant."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.process import assert_one_sentence, in_process, quicgw
from tests.config.likely import FILE, FILES, FOUND_BY_PARTS, LIKELY, NO_TOML

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.config.likely import Likely, NoToml


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write the configuration into the folder that the test is in."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).touch()

    def write(text: str) -> None:
        Path(FILE).write_text(text, encoding="utf-8")

    return write


def report(status: int) -> dict[str, Any]:
    done = in_process("checkconfig", FILE, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    found = dict(json.loads(done.stdout))
    assert found["version"] == 1
    assert found["ok"] == (status == 0)
    return found


@pytest.mark.parametrize("likely", [*LIKELY, *FOUND_BY_PARTS], ids=lambda likely: likely.text)
def test_a_mistake(write: Callable[[str], None], likely: Likely) -> None:
    text, line, column, key, told, suggestion = likely
    write(text)
    (mistake,) = report(1)["mistakes"]
    assert told in mistake["message"]
    assert (mistake["key"], mistake["line"], mistake["column"], mistake["place"]) == (key, line, column, FILE)
    if suggestion:
        assert mistake["suggestion"] == suggestion
    shown = in_process("checkconfig", FILE)
    assert shown.returncode == 1
    assert shown.stdout.startswith(f"{FILE}:{line}:{column}: error: {key}")
    excerpt, marks = shown.stdout.splitlines()[1:3]
    assert excerpt.endswith(text.splitlines()[line - 1])
    assert excerpt[marks.index("^") :].startswith(key.rpartition(".")[2])
    assert shown.stdout.endswith(f"{FILE}: 1 mistake\n") or "warning" in shown.stdout


@pytest.mark.parametrize("no_toml", NO_TOML, ids=lambda no_toml: no_toml.text)
def test_a_file_that_is_no_toml(write: Callable[[str], None], no_toml: NoToml) -> None:
    text, line, column, told = no_toml
    write(text)
    (mistake,) = report(1)["mistakes"]
    assert told in mistake["message"]
    assert mistake["line"] == line
    assert column is None or mistake["column"] == column
    shown = in_process("checkconfig", FILE).stdout.splitlines()
    assert shown[1].endswith(text.splitlines()[line - 1])
    assert shown[2].endswith("^")


def test_every_contradiction_is_told_at_once(write: Callable[[str], None]) -> None:
    write(
        '[control]\ncert = "server.pem"\n[routing]\ndefault = "nosuch"\nzone_ranges = [[3, 1, "001"], [5, 6, "9"]]\n'
        '[routing.exact]\nhello = "x"\necho = "y"\n'
    )
    told = sorted((mistake["key"], mistake["line"]) for mistake in report(1)["mistakes"])
    assert told == [
        ("control.cert", 2),
        ("routing.default", 4),
        ("routing.exact.echo", 8),
        ("routing.exact.hello", 7),
        ("routing.zone_ranges", 5),
        ("routing.zone_ranges", 5),
    ]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(
    write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write('[session]\ntimeot = 1\n[sever]\n[limits]\nin_flight = "x"\n[server]\nquic = "x"\n')
    monkeypatch.setenv("QUICGW_SESION__TIMEOUT", "1s")
    monkeypatch.setenv("QUICGW_LIMITS__IN_FLIGTH", "1")
    monkeypatch.setenv("QUICGW_UPSTREAM__HELLO", "x")
    keys = {mistake["key"] for mistake in report(1)["mistakes"]}
    assert keys == {None, "session.timeot", "sever", "limits.in_flight", "limits.in_fligth", "server.quic"}
    shown = in_process("checkconfig", FILE).stdout
    assert "QUICGW_SESION__TIMEOUT: error: there is no table sesion; did you mean QUICGW_SESSION__TIMEOUT?" in shown
    assert "QUICGW_LIMITS__IN_FLIGTH: error: limits.in_fligth: unknown key; did you mean in_flight?" in shown
    assert "write for example QUICGW_UPSTREAM__HELLO=" in shown
    lines = [line.split(":")[1] for line in shown.splitlines() if line.startswith(f"{FILE}:") and "error" in line]
    assert lines == ["2", "3", "5", "7"]
    assert shown.endswith(f"{FILE}: 7 mistakes\n")


def test_settings_that_contradict_each_other(write: Callable[[str], None]) -> None:
    write('[session]\nmemory = "2MiB"\nwindow_bytes = "3MiB"\n')
    (mistake,) = report(1)["mistakes"]
    assert mistake["keys"] == ["session.memory", "session.window_bytes"]
    assert f"{FILE}:2:1: error: session.memory and session.window_bytes ({FILE}:3): one session may keep" in (
        in_process("checkconfig", FILE).stdout
    )


def test_warnings_have_their_place_and_do_not_fail(
    write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("[auth]\nissuer = 'x'\nkey_file = 'absent'\n")
    monkeypatch.setenv("QUICGW_SESSION_TIMEOUT", "1s")
    monkeypatch.setenv("QUICGW_FATS", "1")
    found = report(0)["warnings"]
    assert {(one["key"], one["line"]) for one in found} == {
        (None, None),
        ("auth.issuer", 2),
        ("auth.key_file", 3),
    }
    suggestions = [one["suggestion"] for one in found if "suggestion" in one]
    assert suggestions == ["QUICGW_FAST", "QUICGW_SESSION__TIMEOUT"]
    shown = in_process("checkconfig", FILE)
    assert shown.returncode == 0
    assert f"{FILE}:2:1: warning: auth.issuer is not used" in shown.stdout
    assert shown.stdout.endswith(f"{FILE}: good, 5 warnings\n")


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_is_good_and_told(write: Callable[[str], None], text: str) -> None:
    write(text)
    assert any("is empty" in one["message"] for one in report(0)["warnings"])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("[log]\n".encode("utf-16"), "but UTF-16; save it as UTF-8"),
        (b"[log]\nlevel = '\xff'", "not UTF-8 from byte 15"),
        (b"x = " + b"[" * 3000, "nested too deeply"),
        (b"x = " + b"9" * 5000, "write a smaller one"),
    ],
)
def test_a_file_that_is_no_text(write: Callable[[str], None], data: bytes, told: str) -> None:
    write("")
    Path(FILE).write_bytes(data)
    (mistake,) = report(1)["mistakes"]
    assert told in mistake["message"]


def test_a_byte_order_mark_is_no_mistake_and_moves_no_mark(write: Callable[[str], None]) -> None:
    write("\ufeff[log]\nlevle = 'info'")
    (mistake,) = report(1)["mistakes"]
    assert (mistake["line"], mistake["column"]) == (2, 1)
    write("\ufefflog.levle = 'info'")
    shown = in_process("checkconfig", FILE).stdout.splitlines()
    assert shown[1].endswith("| log.levle = 'info'")
    assert shown[2].endswith("|     ^^^^^")


def test_certificate_and_key_are_read(write: Callable[[str], None], certified: str) -> None:
    write(certified)
    assert report(0)["warnings"] == []
    key = certified.split('"')[3]
    Path(key).chmod(0o644)
    (warning,) = report(0)["warnings"]
    assert (warning["key"], warning["line"]) == ("tls.key", 3)
    assert "everybody may read" in warning["message"]
    Path(key).write_text("no key", encoding="utf-8")
    (mistake,) = report(1)["mistakes"]
    assert mistake["key"].startswith("tls.")


def test_a_secret_in_the_file_is_not_shown(write: Callable[[str], None]) -> None:
    write('[tls]\nkey = "-----BEGIN PRIVATE KEY-----secret"\n[drain]\nreconnect_to = "x://me:secret@host"\n')
    assert "secret" not in in_process("checkconfig", FILE).stdout
    assert "secret" not in in_process("checkconfig", FILE, "--json").stdout


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.toml"):
        assert_one_sentence(in_process("checkconfig", str(path)), str(path), "quicgw genconfig")
    done = in_process("checkconfig", str(tmp_path), "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (3, 3)


def test_a_process_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_text("[sesion]\n", encoding="utf-8")
    done = quicgw("checkconfig", str(file))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"{file}:1:2: error: sesion: unknown table; did you mean session?\n")


def test_names_and_values_give_no_orders_to_a_terminal(write: Callable[[str], None]) -> None:
    write('"\\u001b]0;pwn\\u0007" = 1\n[server]\n"a\\u202eb" = 2\n')
    told = in_process("checkconfig", FILE).stdout
    assert all(line.isprintable() for line in told.splitlines())
    assert r"\x1b]0;pwn\x07: unknown table" in told
    write('[routing.exact]\n"k\\u001b\\u202e" = "hello\\u009b\\u202e"\n')
    told = in_process("config", "--config", FILE, "--changed").stdout
    assert all(line.isprintable() for line in told.splitlines())
    assert r'exact = { "k\u001b\u202e" = "hello\u009b\u202e" }' in told


def test_what_is_piped_in_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = in_process("checkconfig", str(tmp_path / "pipe"))
    assert done.returncode == 3
    assert "it is a named pipe" in done.stderr
    reader, writer = os.pipe()
    os.write(writer, b"[server]\nfoo = 1\n")
    os.close(writer)
    try:
        done = in_process("checkconfig", f"/dev/fd/{reader}")
    finally:
        os.close(reader)
    assert f"/dev/fd/{reader}:2:1: error: server.foo: unknown key" in done.stdout
