"""How far a session is with what is stored for it: every step, and no message sent before an older one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.session.catch_up import TRANSITIONS, CatchUp, CatchUpState, ReadingEvent


@pytest.mark.parametrize(("state", "event"), list(itertools.product(CatchUpState, ReadingEvent)))
def test_every_step(state: CatchUpState, event: ReadingEvent) -> None:
    busy = state in (CatchUpState.READING, CatchUpState.OUTDATED)
    impossible = {
        ReadingEvent.BEGUN: busy,
        ReadingEvent.LOADED: not busy,
        ReadingEvent.SENT: state is CatchUpState.CURRENT,
        ReadingEvent.FULL: state is CatchUpState.CURRENT,
    }
    catch_up = CatchUp(state)
    if impossible.get(event, False):
        with pytest.raises(KeyError):
            catch_up.apply(event)
        return
    catch_up.apply(event)
    if event is ReadingEvent.STORED:
        assert catch_up.behind
        assert catch_up.reading is busy
    elif event is ReadingEvent.SENT:
        assert catch_up.behind is (state is not CatchUpState.READ)
    else:
        assert catch_up.behind


@given(st.lists(st.sampled_from(ReadingEvent)))
def test_a_session_is_current_only_after_a_read_that_began_after_the_last_put(walk: list[ReadingEvent]) -> None:
    catch_up, missing = CatchUp(), False
    """``missing``: something was put since the read began whose answer counts."""
    for event in walk:
        if (catch_up.state, event) not in TRANSITIONS:
            continue
        rereads = catch_up.state is CatchUpState.OUTDATED and event is ReadingEvent.LOADED
        catch_up.apply(event)
        if event is ReadingEvent.STORED:
            missing = True
        elif event is ReadingEvent.BEGUN or rereads:
            missing = False
        assert catch_up.behind or not missing


def test_what_the_client_acknowledged_is_told_once() -> None:
    catch_up = CatchUp()
    for seq, stored_id in ((3, 30), (4, 40), (7, 70)):
        catch_up.sent(seq, stored_id)
    assert catch_up.acknowledged(2) == []
    assert catch_up.acknowledged(4) == [30, 40]
    assert catch_up.acknowledged(4) == []
    assert catch_up.acknowledged(9) == [70]
    assert catch_up.sent_up_to == 70


def test_what_can_never_go_out_is_not_waited_for() -> None:
    catch_up = CatchUp()
    catch_up.skipped(5)
    assert catch_up.sent_up_to == 5
    assert catch_up.acknowledged(100) == []
