from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.flow.lowest import Lowest


@given(st.sets(st.text(max_size=3), max_size=60), st.integers(1, 7))
def test_page_after_page_is_all_of_them_in_their_order(names: set[str], most: int) -> None:
    offered = [*names]
    seen: list[str] = []
    behind: str | None = ""
    while behind is not None:
        lowest: Lowest[str] = Lowest(behind, most)
        for name in offered:
            lowest.offer(name, name)
        page, behind = lowest.page()
        assert len(page) <= most
        assert behind is None or (len(page) == most and behind == page[-1])
        seen += page
    assert seen == sorted(names - {""})
