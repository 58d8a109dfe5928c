"""Stands for ``pip install`` in a new virtual environment: lends it the packages of the one that runs the tests."""

import os
import site
import sys
from pathlib import Path

packages = Path(site.getsitepackages()[0])
lent = os.environ["WALKTHROUGH_PACKAGES"].split(os.pathsep)
(packages / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
command = Path(sys.prefix) / "bin" / "quicgw"
command.write_text(f"#!{sys.executable}\nfrom quicgw_fast.cli import main\nmain()\n", encoding="utf-8")
command.chmod(0o755)
