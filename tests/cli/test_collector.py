"""What a started gateway is made of is never looked through again, and what comes later less often."""

from __future__ import annotations

import subprocess
import sys

from quicgw_fast.cli.collector import THRESHOLDS

SCRIPT = """
import gc
from quicgw_fast.cli.collector import spare_collections
frozen, usual = gc.get_freeze_count(), gc.get_threshold()[0]
spare_collections()
print(gc.get_freeze_count() > frozen + 1000, gc.get_threshold()[0] > usual, *gc.get_threshold(), gc.isenabled())
"""


def test_what_is_there_is_left_alone_and_the_rest_collected_less_often() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", *map(str, THRESHOLDS), "True"]
