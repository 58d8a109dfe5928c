"""What the scenes play on, and what one says that waits in vain."""

from __future__ import annotations

import pytest

from quicgw_fast.demo.tour import stage as played_on
from quicgw_fast.demo.tour import trouble
from quicgw_fast.demo.tour.relay import Relay
from quicgw_fast.demo.tour.stage import Scale, open_stage, until
from quicgw_fast.errors import RequestError


async def test_waiting_in_vain_says_for_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(played_on, "TIMEOUT", 0.02)
    with pytest.raises(TimeoutError, match=r"^the end of the world did not happen within 0\.02 s$"):
        await until(lambda: False, "the end of the world")


@pytest.mark.parametrize(("requests", "burst"), [(60, 200), (3000, 1000 + 100)])
def test_the_busiest_client_is_allowed_its_share(requests: int, burst: int) -> None:
    scale = Scale(clients=3, requests=requests)
    assert played_on._limits(scale).message_burst == burst
    assert Scale(clients=3, requests=1000).per_client == 334


async def test_a_push_into_the_dark_that_is_refused_breaks_the_scene_off() -> None:
    async with open_stage(Scale(clients=2, requests=2)) as stage, Relay(stage.gateway.addresses.quic) as relay:
        guest = await stage.enter_guest("guest", relay.address)
        await guest.client.close()  # which ends its session
        with pytest.raises(RequestError, match="a push to the lost client was refused"):
            await trouble._darkness(stage, relay, guest)
