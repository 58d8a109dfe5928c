from __future__ import annotations

import io

from rich.console import Console

from quicgw_fast.demo.tour.audit import percentile
from quicgw_fast.demo.tour.show import MOST_SHOWN, Show


def shown(*, terminal: bool) -> tuple[Show, io.StringIO]:
    text = io.StringIO()
    console = Console(
        file=text,
        force_terminal=terminal,
        highlight=False,
        soft_wrap=True,
        color_system="standard" if terminal else "auto",
    )
    return Show(console), text


def play(show: Show) -> bool:
    show.title("demo")
    with show.scene("1/1 Only"):
        show.say("it went [red]well[/red]")
        show.check("all is well", [])
        show.check("all is good", [f"not {number}" for number in range(MOST_SHOWN + 2)])
    show.table([("clients", "20"), ("latency p50", "1.0 ms")])
    return show.verdict()


def test_plain_text_in_a_pipe() -> None:
    show, text = shown(terminal=False)
    assert play(show) is False
    assert text.getvalue() == (
        "demo\n\n1/1 Only\n  it went [red]well[/red]\n  ok: all is well\n  VIOLATED: all is good\n"
        "    not 0\n    not 1\n    not 2\n    not 3\n    not 4\n    and 2 more\n"
        "\n  clients      20\n  latency p50  1.0 ms\n"
        "\n1 of 2 checks were violated:\n  all is good\n"
    )


def test_colours_on_a_terminal() -> None:
    show, text = shown(terminal=True)
    assert play(show) is False
    assert "\x1b[32m  ok: all is well" in text.getvalue()
    assert "\x1b[1;31m  VIOLATED: all is good" in text.getvalue()


def test_all_held() -> None:
    show, text = shown(terminal=False)
    show.check("all is well", [])
    assert show.verdict() is True
    assert text.getvalue().endswith("all 1 checks held\n")


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 50) == 7.0
