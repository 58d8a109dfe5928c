"""Text of somebody else, made safe to be shown."""

from __future__ import annotations

from quicgw_fast.printable import printable


def test_text_of_peers_is_made_printable() -> None:
    assert printable("plain ünïcode") == "plain ünïcode"
    assert printable("a\r\n\x1b[2J\u202e") == "a\\r\\n\\x1b[2J\\u202e"
    assert len(printable("\n" * 1000)) == 128
    assert printable("x" * 10, 4) == "xxxx"


def test_without_a_limit_nothing_is_cut() -> None:
    assert printable("x" * 1000 + "\n", None) == "x" * 1000 + "\\n"
