"""The keys of one cluster of gateways. All carry its name as their hash tag (``scripts``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """By the name of the cluster, ``cluster.name``."""

    name: str

    @property
    def era(self) -> str:
        """The life of the data: an id, the server's run in which it began, and when."""
        return f"{{{self.name}}}:era"

    @property
    def nodes(self) -> str:
        """What each node says of itself."""
        return f"{{{self.name}}}:nodes"

    @property
    def lease(self) -> str:
        """Before the name of a node: its lease."""
        return f"{{{self.name}}}:node:"

    @property
    def at(self) -> str:
        """Before an openid: its claims."""
        return f"{{{self.name}}}:at:"

    @property
    def replica(self) -> str:
        """Before an openid: what is written of its session."""
        return f"{{{self.name}}}:replica:"

    @property
    def sid(self) -> str:
        """Before a session id: its openid."""
        return f"{{{self.name}}}:sid:"

    @property
    def all(self) -> str:
        """The pattern of all."""
        return f"{{{self.name}}}:*"

    @property
    def gid(self) -> str:
        """Before a gid: its newest session."""
        return f"{{{self.name}}}:gid:"

    @property
    def waiting(self) -> str:
        """Before an openid: its messages in the offline store."""
        return f"{{{self.name}}}:off:"

    @property
    def offline(self) -> str:
        """What counts for all of the offline store: its last id and its sums."""
        return f"{{{self.name}}}:offline"

    @property
    def offline_ends(self) -> str:
        """The openids that have something there, by when the first of it is too old."""
        return f"{{{self.name}}}:offline-ends"
