"""The index of groups: both ways agree, whatever comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast import backend
from quicgw_fast.session import Event, is_member
from tests.session.making import make_registry

if TYPE_CHECKING:
    from quicgw_fast.session import Registry

steps = st.lists(
    st.tuples(
        st.sampled_from(["join", "leave", "end", "tidy"]), st.integers(0, 3), st.sampled_from("ghi"), st.integers(0, 9)
    ),
    max_size=40,
)


def by_session(registry: Registry) -> set[tuple[str, str]]:
    return {(name, session.openid) for session in registry for name in session.groups or ()}


def by_group(registry: Registry) -> set[tuple[str, str]]:
    return {(group.name, session.openid) for group in registry.groups.page(0, 100).there for session in group.members}


@given(doing=steps)
def test_sessions_and_groups_know_the_same(doing: list[tuple[str, int, str, int]]) -> None:
    registry = make_registry(backend.load("python"))
    sessions = [registry.create(f"u{number}", 0, 0.0) for number in range(4)]
    groups, now = registry.groups, 0.0
    for what, who, name, time in doing:
        session = sessions[who]
        now += time / 10
        if what == "join":
            groups.join(session, name, now + time if time else None)
        elif what == "leave" and name in (session.groups or {}):
            groups.leave(session, name)
        elif what == "tidy":
            groups.tidy(session, now)
            assert all(end is None or end > now for end in (session.groups or {}).values())
        elif what == "end":
            groups.ended(session)
            assert not session.groups
        assert by_session(registry) == by_group(registry)
        assert groups.memberships == len(by_session(registry))
        assert all(group.members for group in groups.page(0, 100).there)


def test_pages_are_in_the_order_of_joining_and_end_where_nothing_follows() -> None:
    registry = make_registry(backend.load("python"))
    sessions = [registry.create(f"u{number}", 0, 0.0) for number in range(5)]
    for session in sessions:
        registry.groups.join(session, "g", None)
    first = registry.groups.members_page("g", 0, 2, 0.0)
    assert first.cursor is not None
    registry.groups.leave(sessions[1], "g")
    registry.groups.join(sessions[0], "g", None)
    second = registry.groups.members_page("g", first.cursor, 3, 0.0)
    assert (first.there, second.there, second.cursor) == (sessions[:2], sessions[2:], None)
    assert registry.groups.members_page("h", 0, 2, 0.0) == ([], None)


def test_a_membership_counts_until_its_end() -> None:
    registry = make_registry(backend.load("python"))
    stays, leaves = [registry.create(f"u{number}", 0, 0.0) for number in range(2)]
    registry.groups.join(stays, "g", None)
    registry.groups.join(leaves, "g", 5.0)
    assert registry.groups.members("g", 4.999) == [stays, leaves]
    assert registry.groups.members("g", 5.0) == [stays]
    assert [is_member(session, "g", 5.0) for session in (stays, leaves)] == [True, False]
    assert registry.groups.members("h", 0.0) == []
    registry.groups.tidy(leaves, 5.0)
    registry.end(stays, Event.EXPIRED, 6.0)
    assert (len(registry.groups), registry.groups.memberships) == (0, 0)
