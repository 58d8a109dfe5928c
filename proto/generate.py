"""Generate the Python modules of the two .proto files into ``python/quicgw_fast/_proto`` (never edit those by hand)."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "quicgw_fast/_proto"


def main(out: Path = ROOT / "python") -> int:
    """Run protoc; ``out`` is the folder that holds the package. Returns protoc's exit status, 0 for success."""
    # The virtual path on the left makes the generated modules import each other by their package's name.
    include = [f"-I{PACKAGE}={ROOT / 'proto'}", f"-I{files('grpc_tools') / '_proto'}"]
    messages = [f"--python_out={out}", f"--mypy_out=quiet,readable_stubs:{out}"]
    services = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet,readable_stubs:{out}"]
    both = [f"{PACKAGE}/{name}.proto" for name in ("client", "service")]
    return int(
        protoc.main(["protoc", *include, *messages, *both]) or protoc.main(["protoc", *include, *services, both[1]])
    )


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:2])))
