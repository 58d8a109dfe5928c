"""Whose turn it is, and who is passed over; the draws are seeded."""

from __future__ import annotations

from random import Random

import pytest

from quicgw_fast.upstream.choice import Choice
from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.errors import AtLimit, NoInstance
from quicgw_fast.upstream.instance import Ejection
from quicgw_fast.upstream.routing import SERVICES
from tests.upstream.conftest import down, up


def picks(choice: Choice, service: str, count: int) -> str:
    """The last digits of the picked ports, as one string."""
    return "".join(choice.pick(service).address[-1] for _ in range(count))


def hellos(count: int = 3) -> tuple[Directory, Choice]:
    directory = Directory(SERVICES)
    for port in range(9001, 9001 + count):
        directory.add("hello", f"127.0.0.1:{port}")
    return directory, Choice(directory, Random(1))


def test_round_robin() -> None:
    assert picks(hellos()[1], "hello", 7) == "1231231"


def test_services_take_turns_independently() -> None:
    directory, choice = hellos()
    directory.add("business", "127.0.0.1:9001")
    directory.add("business", "127.0.0.1:9005")
    assert picks(choice, "hello", 2) == "12"
    assert picks(choice, "business", 3) == "151"
    assert picks(choice, "hello", 2) == "31"


def test_unhealthy_is_skipped_until_it_is_back() -> None:
    directory, choice = hellos()
    sick = directory.instances("hello")[1]
    down(sick)
    assert picks(choice, "hello", 4) == "1313"
    up(sick)
    assert picks(choice, "hello", 4) == "1231"


def test_all_unhealthy_are_tried_in_turn() -> None:
    directory, choice = hellos()
    for instance in directory.instances("hello"):
        down(instance)
    assert picks(choice, "hello", 4) == "1231"


def test_what_just_lost_its_connection_comes_second_and_what_is_down_last() -> None:
    directory, choice = hellos()
    first, second, third = directory.instances("hello")
    up(first)
    up(second)
    down(third)
    first.connected = False
    assert picks(choice, "hello", 3) == "222"
    second.connected = False
    assert picks(choice, "hello", 4) == "1212"
    down(first)
    down(second)
    assert picks(choice, "hello", 4) == "3123"


def test_a_registered_instance_gets_no_call_before_it_was_connected_once() -> None:
    directory = Directory(SERVICES)
    choice = Choice(directory, Random(1))
    hole = directory.register("127.0.0.1:9001", "zone").instance
    with pytest.raises(NoInstance):
        choice.pick("zone")
    good = directory.register("127.0.0.1:9002", "zone").instance
    up(good)
    assert picks(choice, "zone", 4) == "2222"
    down(good)
    assert picks(choice, "zone", 2) == "22", "it was there once; the black hole never was"
    up(hole)
    assert picks(choice, "zone", 2) == "11"


@pytest.mark.parametrize("service", ["business", "unheard-of"])
def test_nothing_to_pick(service: str) -> None:
    with pytest.raises(NoInstance, match=service) as caught:
        hellos()[1].pick(service)
    assert caught.value.code == 503


def test_of_two_the_less_loaded_one_is_taken() -> None:
    directory, choice = hellos(2)
    first, second = directory.instances("hello")
    first.in_flight = 1
    assert picks(choice, "hello", 4) == "2222"
    second.in_flight = 2
    assert picks(choice, "hello", 4) == "1111"


def test_the_most_loaded_of_all_is_never_taken() -> None:
    directory, choice = hellos(5)
    directory.instances("hello")[2].in_flight = 9
    assert "3" not in picks(choice, "hello", 500)


def test_one_that_does_not_answer_gets_no_more_calls_than_the_others_have_under_way() -> None:
    directory, choice = hellos(4)
    stuck = directory.instances("hello")[0]
    for _ in range(1000):
        instance = choice.pick("hello")
        if instance is stuck:
            instance.in_flight += 1
    assert stuck.in_flight == 1


def test_who_is_passed_over_burdens_no_neighbour() -> None:
    """Its turns are not all those of the next in line."""
    directory, choice = hellos(6)
    down(directory.instances("hello")[0])
    for instance in directory.instances("hello")[1:]:
        up(instance)
    for _ in range(600):
        choice.pick("hello").in_flight += 1
    loads = [instance.in_flight for instance in directory.instances("hello")]
    assert loads[0] == 0
    assert max(loads[1:]) - min(loads[1:]) <= 2


def test_who_has_no_room_is_passed_over_and_where_all_are_full_that_is_said() -> None:
    directory, choice = hellos(2)
    for instance, latency in zip(directory.instances("hello"), (0.2, 0.7), strict=True):
        up(instance)
        instance.room, instance.latency = 2, latency
    for _ in range(4):
        choice.pick("hello").in_flight += 1
    with pytest.raises(AtLimit) as caught:
        choice.pick("hello")
    assert (caught.value.code, caught.value.retry_after_ms) == (503, 201)


def test_who_is_well_and_full_is_not_replaced_by_who_would_fail() -> None:
    directory, choice = hellos(3)
    well, out, gone = directory.instances("hello")
    up(well)
    up(out)
    down(gone)
    out.ejection = Ejection("5 calls in a row failed", 1e9)
    well.room = 0
    with pytest.raises(AtLimit):
        choice.pick("hello")


def test_in_order_of_their_prospects() -> None:
    directory, choice = hellos(4)
    well, suspect, out, gone = directory.instances("hello")
    for instance in (well, suspect, out):
        up(instance)
    down(gone)
    suspect.suspect = True
    out.ejection = Ejection("it is far slower than the others", 1e9)
    assert picks(choice, "hello", 3) == "111"
    well.room = 0
    assert picks(choice, "hello", 3) == "222"
    down(well)
    down(suspect)
    assert picks(choice, "hello", 3) == "333"
    down(out)
    assert set(picks(choice, "hello", 12)) == {"2", "3", "4"}, "the first has no room"


def test_who_is_silent_is_not_called_even_if_nobody_else_is_there() -> None:
    directory, choice = hellos(1)
    (only,) = directory.instances("hello")
    up(only)
    only.silent = True
    with pytest.raises(NoInstance):
        choice.pick("hello")


def test_besides_whom_could_not_be_reached() -> None:
    directory, choice = hellos(2)
    first, second = directory.instances("hello")
    assert {choice.pick("hello", first) for _ in range(9)} == {second}
    directory, choice = hellos(1)
    (only,) = directory.instances("hello")
    with pytest.raises(NoInstance):
        choice.pick("hello", only)


def test_one_that_an_operator_took_out_gets_nothing_whatever_the_others_are_like() -> None:
    directory, choice = hellos()
    first, second, third = directory.instances("hello")
    second.drained = True
    assert picks(choice, "hello", 4) == "1313"
    for other in (first, third):
        down(other)
    assert picks(choice, "hello", 4) == "1313", "better one that is down: the operator has said no"
    first.drained = third.drained = True
    with pytest.raises(NoInstance):
        choice.pick("hello")
    second.drained = False
    assert picks(choice, "hello", 2) == "22"
