"""Generate the Python modules of the two .proto files into ``python/quicgw_fast/proto`` (never edit those by hand)."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "quicgw_fast/proto"

DEFAULT_POOL = "_descriptor_pool.Default()"
PRIVATE_POOL = "_pool.POOL"
POOL_IMPORT = "# @@protoc_insertion_point(imports)\nfrom quicgw_fast.proto import pool as _pool\n"


def main(out: Path = ROOT / "python") -> int:
    """Run protoc; ``out`` is the folder that holds the package. Returns protoc's exit status, 0 for success."""
    # The virtual path on the left makes the generated modules import each other by their package's name.
    include = [f"-I{PACKAGE}={ROOT / 'proto'}", f"-I{files('grpc_tools') / '_proto'}"]
    messages = [f"--python_out={out}", f"--mypy_out=quiet,readable_stubs:{out}"]
    services = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet,readable_stubs:{out}"]
    both = [f"{PACKAGE}/{name}.proto" for name in ("client", "service")]
    status = protoc.main(["protoc", *include, *messages, *both]) or protoc.main(
        ["protoc", *include, *services, both[1]]
    )
    if not status:
        for name in ("client", "service"):
            keep_private(out / PACKAGE / f"{name}_pb2.py")
    return int(status)


def keep_private(module: Path) -> None:
    """Let a generated module add its messages to our own pool instead of the one that all programs share.

    In the shared pool a second module from the same .proto file, such as a program's own stubs, is a conflict.
    """
    text = module.read_text(encoding="utf-8")
    mark = POOL_IMPORT.partition("\n")[0] + "\n"
    if text.count(DEFAULT_POOL) != 1 or text.count(mark) != 1:
        raise SystemExit(f"{module}: protoc writes something new; look at it and change keep_private()")
    module.write_text(text.replace(DEFAULT_POOL, PRIVATE_POOL).replace(mark, POOL_IMPORT), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:2])))
