"""Guessed tokens that claim to come from somebody else's address."""

from __future__ import annotations

import asyncio
import time

from benches.attacks.base import SECRET_FILE, Sent, Target, attack, token
from tests.support import forged

VICTIM = "127.0.0.9"


@attack(auth={"mode": "jwt", "key_file": SECRET_FILE})
async def forged_guesses(target: Target, until: float) -> Sent:
    """Bad tokens, each from a new connection whose START has a forged source address, 20/s"""
    looked_at = tries = good = count = 0
    with forged.address_of(VICTIM) as victim:
        while time.monotonic() < until:
            answer = await forged.start(target.address, "alice", f"guess {count}", forged=victim, within=1.0)
            looked_at += answer is not None and answer.error.error_code == 401
            count += 1
            if count % 20 == 0:
                tries += 1
                answer = await forged.start(target.address, "bob", token("bob"), host=VICTIM)
                good += answer is not None and answer.success
            await asyncio.sleep(0.05)
    return Sent(count, 0, f"{looked_at} guesses looked at; {good} of {tries} good tokens from that address taken")
