"""Generate the Python modules of the .proto files into ``python/quicgw_fast/proto`` (never edit those by hand)."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "quicgw_fast/proto"
NAMES = ("client", "service", "session")

DEFAULT_POOL = "_descriptor_pool.Default()"
PRIVATE_POOL = "_pool.POOL"
OLDEST_PROTOBUF = "6.31.1"
OLDEST_GRPCIO = "1.76.0"
"""What the generated modules ask for: the lower bounds of pyproject.toml, which ``make test-lowest`` tries.

protoc writes its own version there, which is newer than what programs beside us may be bound to; the code behind it is
the same. The runtimes take generated code of their own and of the last major version.
"""
GRPC_IMPORT = "import grpc\n"
CLEAR_GRPC_IMPORT = """from quicgw_fast.errors import needs_extra

with needs_extra("service", "quicgw_fast.proto.service_pb2_grpc"):
    import grpc
"""
POOL_IMPORT = "# @@protoc_insertion_point(imports)\nfrom quicgw_fast.proto import pool as _pool\n"


def main(out: Path = ROOT / "python") -> int:
    """Run protoc; ``out`` is the folder that holds the package. Returns protoc's exit status, 0 for success."""
    # The virtual path on the left makes the generated modules import each other by their package's name.
    include = [f"-I{PACKAGE}={ROOT / 'proto'}", f"-I{files('grpc_tools') / '_proto'}"]
    messages = [f"--python_out={out}", f"--mypy_out=quiet,readable_stubs:{out}"]
    services = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet,readable_stubs:{out}"]
    all_files = [f"{PACKAGE}/{name}.proto" for name in NAMES]
    status = protoc.main(["protoc", *include, *messages, *all_files]) or protoc.main(
        ["protoc", *include, *services, f"{PACKAGE}/service.proto"]
    )
    if not status:
        for name in NAMES:
            module = out / PACKAGE / f"{name}_pb2.py"
            keep_private(module)
            lower_bound(module, r"(?<=PUBLIC,\n)    \d+,\n    \d+,\n    \d+,\n", _as_arguments(OLDEST_PROTOBUF))
        name_the_extra(out / PACKAGE / "service_pb2_grpc.py")
        lower_bound(out / PACKAGE / "service_pb2_grpc.py", r"(?<=GENERATED_VERSION = )'[\d.]+'", f"'{OLDEST_GRPCIO}'")
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


def name_the_extra(module: Path) -> None:
    """Let the stubs say what to install where grpcio is not: for a client alone it is not needed."""
    text = module.read_text(encoding="utf-8")
    if text.count(GRPC_IMPORT) != 1:
        raise SystemExit(f"{module}: protoc writes something new; look at it and change name_the_extra()")
    module.write_text(text.replace(GRPC_IMPORT, CLEAR_GRPC_IMPORT), encoding="utf-8")


def lower_bound(module: Path, pattern: str, oldest: str) -> None:
    """Let a generated module ask for the oldest release that is tested, where ``pattern`` finds another version."""
    text, count = re.subn(pattern, oldest, module.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{module}: protoc writes something new; look at it and change lower_bound()")
    module.write_text(text, encoding="utf-8")


def _as_arguments(version: str) -> str:
    return "".join(f"    {number},\n" for number in version.split("."))


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:2])))
