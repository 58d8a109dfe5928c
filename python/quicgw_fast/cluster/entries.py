"""What is asked of the directory, and what its answers mean; one method for each script."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from quicgw_fast.cluster import scripts
from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.records import Again, Asserted, ClaimHolder, Granted, NodeRecord, Refused, Renewed, Swept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.cluster.keys import Keys
    from quicgw_fast.cluster.link import DirectoryLink, Server
    from quicgw_fast.cluster.own_claims import OwnClaim
    from quicgw_fast.cluster.scripts import AtomicScript

REMEMBERED: Final = 3_600_000
"""Milliseconds for which an openid without a session keeps its last generation."""
OUTDATED: Final = "its data may be another one than at the last renewal"
"""Why a server is not asked that started since."""
_NONE: Final = "-"


class DirectoryEntries:
    """Everything of one cluster. All methods raise DirectoryUnavailable where there is no answer.

    A server that started again has the era of before in its data until the first renewal gives it a new one, and that
    data may be older than what nodes know. So what names an era is asked only of the start of the server that this
    node's lease is from (``current``); of any other it is as if nobody answered.
    """

    def __init__(
        self,
        link: DirectoryLink,
        keys: Keys,
        node: str,
        devices: int,
        lease: float,
        current: Callable[[], bool],
        keep: float = 0.0,
    ) -> None:
        """``node`` is this node's name, ``lease`` in seconds; so is ``keep``, for which replicas stay; 0: without.

        ``current`` as in ``Membership``.
        """
        self._link = link
        self._ask = link.ask
        self._current = current
        self._keys = keys
        self._node = node
        self._devices = devices
        self._lease = round(lease * 1000)
        self._keep = round(keep * 1000)

    async def renew(self, about: str, server: Server, new_era: str, *, founding: bool) -> Renewed:
        """Renew the lease; ``new_era`` begins if the data is new, or the ``server`` has started since.

        With ``founding`` nobody can have known earlier data, so that claims are granted at once.
        """
        keys = self._keys
        arguments = keys.lease, self._node, self._lease, about, server.run, new_era, int(founding), server.connection
        answer = await self._ask(scripts.RENEW, [keys.era, keys.nodes], *arguments)
        was, era, nodes = cast("tuple[int, bytes, list[bytes]]", answer)
        known = tuple(NodeRecord(a.decode(), b.decode()) for a, b in zip(nodes[::2], nodes[1::2], strict=True))
        return Renewed(bool(was), era.decode(), known)

    async def leave(self) -> None:
        """Give the lease back: this node counts as dead from now on."""
        await self._ask(scripts.LEAVE, [self._keys.nodes], self._keys.lease, self._node)

    async def vouch(self, node: str, era: str) -> Refused | None:
        """Renew the lease of another node, if it is there in that era; None when it was."""
        keys = self._keys
        answer = await self._ask_of_era(scripts.VOUCH, [keys.era, keys.lease + node], era, self._lease)
        return None if answer == b"ok" else Refused(cast("bytes", answer).decode())

    async def claim(self, openid: str, session_id: str, era: str) -> Granted | Refused:
        """Write a claim down: of an openid, or with several devices of one session of it."""
        keys = self._keys
        arguments = keys.lease, era, self._node, session_id or _NONE, self._devices, self._lease
        answer = cast("list[bytes]", await self._ask_of_era(scripts.CLAIM, [keys.at + openid, keys.era], *arguments))
        if answer[0] != b"ok":
            return Refused(answer[0].decode())
        return Granted(int(answer[1]), _holder(answer[2]))

    async def take(self, openid: str, generation: int, holder: ClaimHolder, era: str, *, dead: bool) -> Refused | None:
        """Have an openid to oneself after ``holder`` has yielded it, or counts as ``dead``; None when that is so."""
        keys = self._keys
        arguments = era, self._node, generation, holder.generation, self._devices, keys.lease, int(dead)
        named = [keys.at + openid, keys.era, keys.replica + openid]
        answer = await self._ask_of_era(scripts.TAKE, named, *arguments, int(not self._keep))
        return None if answer == b"ok" else Refused(cast("bytes", answer).decode())

    async def settle(self, claim: OwnClaim, session_before: str, era: str) -> Refused | None:
        """Write down which session a claim has; ``session_before`` is the one that it had, or ""."""
        keys, session, gid = self._keys, claim.session_id, claim.gid
        named = [keys.at + claim.openid, keys.era, keys.sid + session, keys.gid + (gid or _NONE)]
        before = keys.sid + (session_before or session)
        arguments = era, self._node, claim.generation, session, claim.epoch, claim.openid, gid, before
        answer = await self._ask_of_era(scripts.SETTLE, named, *arguments)
        return None if answer == b"ok" else Refused(cast("bytes", answer).decode())

    def release(self, claim: OwnClaim) -> asyncio.Future[object]:
        """Remove a claim."""
        return self._release(claim.openid, claim.generation, claim.session_id or _NONE, claim.gid or _NONE)

    def withdraw(self, openid: str, generation: int) -> asyncio.Future[object]:
        """Remove a claim that came to nothing."""
        return self._release(openid, generation, _NONE, _NONE)

    def _release(self, openid: str, generation: int, session: str, gid: str) -> asyncio.Future[object]:
        keys = self._keys
        named = [keys.at + openid, keys.sid + session, keys.gid + gid, keys.replica + openid]
        return self._ask(scripts.RELEASE, named, self._node, generation, session, REMEMBERED)

    def forget(self, openid: str, claims: Sequence[OwnClaim]) -> asyncio.Future[object]:
        """Remove what this node may have claimed without ever hearing of it; ``claims`` are what it has."""
        return self._ask(scripts.FORGET, [self._keys.at + openid], self._node, *(each.generation for each in claims))

    async def sweep(self, era: str, cursor: int, count: int, gone: Sequence[str]) -> Swept | Refused:
        """Look at so many keys, and remove the claims of the nodes ``gone`` that have no lease, and what led there."""
        keys = self._keys
        prefixes = keys.lease, era, keys.at, keys.sid, keys.gid, keys.all
        answer = await self._ask_of_era(scripts.SWEEP, [keys.era], *prefixes, cursor, count, REMEMBERED, *gone)
        if cast("list[bytes]", answer)[0] != b"ok":
            return Refused.ERA
        _, following, forgotten, dead = cast("tuple[bytes, bytes, int, list[bytes]]", answer)
        return Swept(int(following), forgotten, tuple(node.decode() for node in dead))

    def replicate(self, records: Sequence[tuple[str, int, int, bytes]], era: str) -> asyncio.Future[object]:
        """Write records, each an openid, its claim, how many bytes are to be there, and the data.

        The answer is a letter for each (``scripts``), or ``era``; that also where the lease was not renewed over this
        connection.
        """
        keys, server = self._keys, self._link.server
        connection = 0 if server is None else server.connection
        arguments: list[str | int | bytes] = [keys.at, keys.replica, era, self._node, self._keep, connection]
        for record in records:
            arguments += record
        return self._ask_of_era(scripts.REPLICATE, [keys.era, keys.lease + self._node], *arguments)

    def refresh_replicas(self, openids: Sequence[str]) -> asyncio.Future[object]:
        """Keep replicas for another while."""
        return self._ask(scripts.REFRESH, [], self._keys.replica, self._keep, *openids)

    async def replica(self, openid: str) -> bytes:
        """Return what is written of the session of an openid; empty where nothing is."""
        return cast("bytes", await self._ask(scripts.REPLICA, [self._keys.replica + openid]))

    async def find(self, kind: str, named: str, era: str) -> list[ClaimHolder] | Refused:
        """Who has an ``openid``, a ``session`` or a ``gid``, the oldest claim first.

        Refused.EARLY where nobody does, but the data may not be complete.
        """
        keys = self._keys
        key = {"openid": keys.at, "session": keys.sid, "gid": keys.gid}[kind] + named
        arguments = keys.lease, kind, keys.sid, keys.at, era, self._lease
        answer = cast("list[bytes]", await self._ask_of_era(scripts.FIND, [key, keys.era], *arguments))
        if answer == [b"early"]:
            return Refused.EARLY
        return [found for found in map(_holder, answer) if found is not None]

    async def again(self, claims: Sequence[OwnClaim], era: str, how: Again) -> list[Asserted] | Refused:
        """Confirm claims; an answer for each."""
        keys = [self._keys.era]
        arguments: list[str | int] = [self._keys.lease, era, self._node, self._devices, how.value]
        for claim in claims:
            session, gid = claim.session_id or _NONE, claim.gid
            keys += [self._keys.at + claim.openid, self._keys.sid + session, self._keys.gid + (gid or _NONE)]
            arguments += [claim.generation, session, claim.epoch or _NONE, claim.openid, gid]
        answer = cast("list[bytes]", await self._ask_of_era(scripts.ASSERT, keys, *arguments))
        if answer == [b"era"]:
            return Refused.ERA
        return [Asserted(one[:1] != b"0", one[:1] == b"2", _holder(one[1:])) for one in answer]

    def _ask_of_era(
        self, script: AtomicScript, keys: Sequence[str], *arguments: str | bytes | int
    ) -> asyncio.Future[object]:
        """Run a script that names an era."""
        if self._current():
            return self._ask(script, keys, *arguments)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        answer.set_exception(DirectoryUnavailable(OUTDATED))
        answer.exception()  # who asked may have gone
        return answer


def _holder(told: bytes) -> ClaimHolder | None:
    if not told:
        return None
    generation, node, session, epoch, alive = told.decode().split(" ")
    return ClaimHolder(node, int(generation), session.strip(_NONE), epoch.strip("-+"), alive == "1")
