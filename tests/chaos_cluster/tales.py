"""What happened to each client, for people who look for the cause of a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos_cluster.load import Load


def write(load: Load, folder: Path) -> None:
    """Write one file for each client; the logs of the nodes are beside them."""
    for player in load.players.values():
        client = player.client
        lines = [f"{at:.3f} {what}" for at, what in sorted(client.diary)]
        lines += [f"{a.at:.3f} at the service: {a.data} of {a.session_id} by {a.gateway}" for a in player.arrivals]
        (folder / player.openid).write_text("\n".join(sorted(lines, key=lambda line: float(line.split()[0]))))
