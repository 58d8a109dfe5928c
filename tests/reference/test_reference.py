from __future__ import annotations

from tests import reference


def test_what_is_made_from_the_code_is_as_the_code_makes_it() -> None:
    assert not list(reference.differing()), "make reference"
