"""A profile sees what a thread does, and its pictures say the same in three ways."""

from __future__ import annotations

import os
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from quicgw_fast.observe.flame import collapsed, flame_graph, speedscope
from quicgw_fast.observe.profile import Profile, sample

SVG = "{http://www.w3.org/2000/svg}"
PROFILE = Profile(Counter({("a:1", "b<x>:2"): 30, ("a:1", "c:3"): 10, ("a:1",): 1}), 4.1, 41)


def busy_bee(until: threading.Event) -> None:
    while not until.wait(0.001):
        pass


def test_it_sees_what_the_thread_is_in_the_middle_of() -> None:
    over = threading.Event()
    thread = threading.Thread(target=busy_bee, args=(over,))
    thread.start()
    assert thread.ident is not None
    try:
        found = sample(thread.ident, 0.2, 100.0, threading.Event())
    finally:
        over.set()
        thread.join()
    assert found.seconds == pytest.approx(0.2, abs=0.15)
    assert 1 <= found.looks <= 21
    assert sum(found.stacks.values()) == found.looks
    assert all(any("busy_bee" in name for name in stack) for stack in found.stacks)


def turns_of_a_loop(until: threading.Event) -> None:
    """Work for a millisecond, then let others run, as an event loop does between two turns."""
    while not until.is_set():
        turn(time.perf_counter() + 0.001)
        os.sched_yield()


def turn(until: float) -> None:
    while time.perf_counter() < until:
        pass


def test_it_sees_a_busy_thread_at_its_work_and_not_where_that_lets_others_run() -> None:
    over, before = threading.Event(), sys.getswitchinterval()
    thread = threading.Thread(target=turns_of_a_loop, args=(over,))
    thread.start()
    assert thread.ident is not None
    try:
        found = sample(thread.ident, 0.5, 200.0, threading.Event())
    finally:
        over.set()
        thread.join()
    assert sys.getswitchinterval() == before
    working = sum(times for stack, times in found.stacks.items() if "turn:" in stack[-1])
    # On a busy machine others run for most of the time; without a short switch interval not one look in 100 is at work.
    assert working > found.looks / 20


def test_a_thread_that_is_gone_is_an_empty_profile() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert thread.ident is not None
    found = sample(thread.ident, 0.02, 100.0, threading.Event())
    assert not found.stacks
    ET.fromstring(flame_graph(found))


def test_looking_costs_little() -> None:
    began, cpu = time.monotonic(), time.process_time()
    found = sample(threading.get_ident(), 0.5, 100.0, threading.Event())
    assert (time.process_time() - cpu) / (time.monotonic() - began) < 0.05, "of a core, with the pauses of this thread"
    assert found.looks <= 51


def test_the_flame_graph_is_one_svg_whose_widths_are_shares() -> None:
    root = ET.fromstring(flame_graph(PROFILE))
    boxes = {g.findtext(f"{SVG}title"): g.find(f"{SVG}rect") for g in root.iter(f"{SVG}g")}
    widths = {
        title.partition(":")[0]: float(box.get("width", 0)) for title, box in boxes.items() if title and box is not None
    }
    assert widths["event loop"] == widths["a"] == 1200.0
    assert widths["b<x>"] == pytest.approx(1200 * 30 / 41, abs=0.1)
    assert "b<x>:2: 30 of 41 (73.2 %)" in boxes
    text = flame_graph(PROFILE)
    assert "script" not in text
    assert "href" not in text
    assert [part for part in text.split('"') if part.startswith("http")] == ["http://www.w3.org/2000/svg"]


def test_the_flame_graph_begins_inside_the_event_loop_and_keeps_the_ends_of_names() -> None:
    launched = ("__main__.<module>:1", "quicgw_fast.cli.main:30", "asyncio.runners.Runner.run:86")
    loop = ("asyncio.base_events.BaseEventLoop._run_once:1", "asyncio.events.Handle._run:2")
    long = f"quicgw_fast.{'transport.' * 30}endpoint.Endpoint.received:41"
    stacks = Counter({(*launched, *loop, long): 2, (*launched, "quicgw_fast.gateway.go:1"): 8, launched: 10})
    text = flame_graph(Profile(stacks, 0.2, 20))
    titles = [g.findtext(f"{SVG}title", "").rpartition(": ")[0] for g in ET.fromstring(text).iter(f"{SVG}g")]
    assert titles == ["event loop", "quicgw_fast.gateway.go:1", long]
    shown = next(each for each in ET.fromstring(text).itertext() if each.startswith("…"))
    assert long.endswith(shown[1:])
    assert "quicgw_fast.cli" in collapsed(Profile(stacks, 0.2, 20))


def test_collapsed_stacks_are_those_of_flamegraph_pl() -> None:
    assert collapsed(PROFILE) == "a:1 1\na:1;b<x>:2 30\na:1;c:3 10\n"


def test_speedscope_has_the_same_times() -> None:
    made = speedscope(PROFILE)
    (profile,) = made["profiles"]
    names = [frame["name"] for frame in made["shared"]["frames"]]
    stacks = {
        tuple(names[place] for place in stack): weight
        for stack, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    assert stacks == {stack: pytest.approx(count * 0.1) for stack, count in PROFILE.stacks.items()}
    assert profile["endValue"] == pytest.approx(4.1)


def test_it_ends_when_it_is_over() -> None:
    over = threading.Event()
    threading.Timer(0.05, over.set).start()
    assert sample(threading.get_ident(), 60.0, 100.0, over).seconds < 30.0
