"""The rules of the house (ARCHITECTURE.md), read from the code: who imports whom, and what is drawn and made of it."""

from __future__ import annotations

import ast
import filecmp
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import states as client_states
from quicgw_fast.session import states
from quicgw_fast.transport import lifecycle, makers
from quicgw_fast.upstream import makers as upstream_makers
from tests.support.drawing import between, read_path
from tests.support.package_imports import PACKAGE, ROOT, imports, part_of, sources, targets

if TYPE_CHECKING:
    from types import ModuleType

STAGES = frozenset(
    {
        "auth",
        "control",
        "delivery",
        "carrier",
        "events",
        "overload",
        "placement",
        "processor",
        "session",
        "store",
        "transport",
        "upstream",
    }
)
SHARED = frozenset(
    {
        "addresses",
        "config",
        "clock",
        "compiled",
        "completions",
        "errors",
        "files",
        "codes",
        "log_ids",
        "makers",
        "observe",
        "writer",
        "ports",
        "printable",
        "sharing",
        "trace_context",
        "backend",
        "proto",
    }
)
EVERYTHING = (
    STAGES
    | SHARED
    | {
        "assembly",
        "cli",
        "client",
        "cluster",
        "demo",
        "flow",
        "gateway",
        "joining",
        "machine",
        "reloading",
        "service",
        "sync",
        "upgrading",
        "workers",
        "_core",
    }
)

# What a part of the package may import of the others.
MAY_IMPORT = {
    **dict.fromkeys(STAGES, SHARED),
    "transport": SHARED | {"_core"},  # its compiled maker alone, see below
    "config": frozenset({"addresses", "compiled", "errors", "files", "printable"}),
    "errors": frozenset({"codes"}),
    "clock": frozenset(),
    "compiled": frozenset({"errors"}),
    "files": frozenset(),
    "printable": frozenset(),
    "completions": frozenset(),
    "codes": frozenset(),
    "log_ids": frozenset({"ports", "trace_context"}),
    "makers": frozenset({"errors"}),
    "addresses": frozenset(),
    "sharing": frozenset(),
    "trace_context": frozenset({"completions", "ports", "proto"}),
    "machine": frozenset(),
    "cluster": SHARED | {"placement", "store"},
    "tracing": SHARED | {"files", "__init__"},
    "observe": frozenset({"config", "clock", "errors", "codes", "addresses", "printable", "writer"}),
    "writer": frozenset(),
    "ports": frozenset({"backend", "codes", "completions", "errors", "proto"}),
    "backend": frozenset({"errors", "codes", "_core"}),
    "_core": frozenset({"backend", "upstream"}),
    "upstream": SHARED | {"_core"},
    "proto": frozenset(),
    "flow": STAGES - {"transport", "upstream", "control"} | SHARED,
    "assembly": STAGES - {"carrier", "control", "delivery", "session", "transport"} | SHARED | {"flow", "machine"},
    "gateway": SHARED
    | {"assembly", "carrier", "control", "overload", "reloading", "tracing", "transport"}
    | {"joining", "upgrading", "workers"},
    "workers": SHARED | {"control", "transport"},
    "joining": SHARED | {"__init__", "cluster", "flow", "placement", "session", "store", "workers"},
    "upgrading": SHARED | {"cluster", "control", "flow", "joining", "placement", "session", "transport"},
    "reloading": SHARED | {"auth", "control", "events", "flow", "overload", "transport", "upstream"},
    "client": SHARED | {"transport", "carrier"},
    "service": frozenset({"codes", "errors", "files", "proto"}),  # nothing of the gateway, nor what only it needs
    "sync": frozenset({"client"}),
    "cli": EVERYTHING,
    "demo": EVERYTHING,
    "testing": EVERYTHING,
    "__init__": frozenset({"client"}),
    "__main__": frozenset({"cli"}),
}

# Without a clock and without a network: time is an argument, bytes come and go as values.
PURE = ("carrier", "session", "delivery", "overload", "backend")
IMPURE_MODULES = frozenset({"asyncio", "aioquic", "grpc", "time", "datetime", "socket", "selectors", "uvloop"})

CLIENT_SIDE_OF_GRPC = frozenset({"insecure_channel", "secure_channel", "intercept_channel"})

ALL_IMPORTS = list(imports())


def test_the_reader_of_imports_sees_what_it_must() -> None:
    assert any(i.part == "transport" and i.top == "aioquic" for i in ALL_IMPORTS)
    assert any(i.part == "flow" and i.our_part == "session" for i in ALL_IMPORTS)
    assert any(i.part == "gateway" and i.our_part == "backend" for i in ALL_IMPORTS)
    inside = PACKAGE / "flow" / "x.py"
    tree = ast.parse("from ..session import Session\nfrom . import parts\nimport_module('quicgw_fast.upstream')")
    found = [target for node in ast.walk(tree) for target in targets(node, inside)]
    assert sorted(found) == ["quicgw_fast.flow", "quicgw_fast.session", "quicgw_fast.upstream"]


@pytest.mark.parametrize("part", sorted({part_of(path) for path in sources()}))
def test_a_part_imports_only_what_it_may(part: str) -> None:
    assert part in MAY_IMPORT, f"{part} is new: say in MAY_IMPORT what it may import"
    allowed = MAY_IMPORT[part] | {part}
    wrong = [str(i) for i in ALL_IMPORTS if i.part == part and i.our_part is not None and i.our_part not in allowed]
    assert not wrong, "\n".join(wrong)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def modules_used() -> dict[str, set[str]]:
    """Of each module the others of its part that it imports, types included; as dotted names within the package."""
    files = [path for path in sources() if path.suffix == ".py"]
    names = {module_of(path) for path in files}
    used: dict[str, set[str]] = {name: set() for name in names}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            inner = [f"{t}.{a.name}" for t in targets(node, path) for a in getattr(node, "names", ())]
            for target in (*targets(node, path), *inner):
                name = target.removeprefix(f"{PACKAGE.name}.")
                if name in names and name.split(".")[0] == part_of(path):
                    used[module_of(path)].add(name)
    return used


def circles(used: dict[str, set[str]]) -> set[str]:
    """The groups of modules each of which leads to every other one of its group."""
    reached: dict[str, set[str]] = {}
    for start in used:
        todo, seen = [start], set()
        while todo:
            new = used[todo.pop()] - seen
            seen |= new
            todo += new
        reached[start] = seen
    groups = ({b for b in reached[a] if a in reached[b]} for a in used)
    return {" ".join(sorted(group)) for group in groups if len(group) > 1}


def test_no_modules_of_a_room_import_each_other() -> None:
    """Each can be read, and understood, before those that use it; what one needs of who calls it is a protocol."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b c"}
    used = modules_used()
    assert "flow.client" in used["flow.start"], "imports of types are seen"
    assert "transport.makers" in used["transport.listening"], "and modules that are imported from their folder"
    found = circles(used)
    assert not found, "\n".join(sorted(found))


def rooms_drawn() -> str:
    """The rooms of the gateway and who imports whom, as a mermaid diagram; what all share is left out."""
    rooms = STAGES | {"flow", "assembly", "gateway", "reloading"}
    arrows = sorted(
        {(i.part, i.our_part) for i in ALL_IMPORTS if i.part in rooms and i.our_part in rooms and i.part != i.our_part}
    )
    return "\n".join(["flowchart TD", *(f"    {a} --> {b}" for a, b in arrows)])


def test_the_drawn_rooms_are_those_of_the_imports() -> None:
    assert between("ARCHITECTURE.md", "rooms") == f"```mermaid\n{rooms_drawn()}\n```", (
        "put tests.test_architecture.rooms_drawn() there"
    )


def test_the_drawn_path_is_the_same_in_both_documents() -> None:
    assert between("README.md", "path") == between("ARCHITECTURE.md", "path")


def test_the_drawn_path_has_every_room_and_no_other() -> None:
    """README and ARCHITECTURE show the way of a message; each of its stations is a folder, and none is missing."""
    stations = {name for name in read_path("README.md").named if (PACKAGE / name).is_dir()} - {"client", "service"}
    assert stations == STAGES | {"flow", "observe"}, stations ^ (STAGES | {"flow", "observe"})


def test_the_flow_imports_its_neighbours_on_the_drawn_path_and_whom_it_asks() -> None:
    """The rooms at the two ends it does not know: the gateway joins them to it. ``test_walk`` has the order of all."""
    drawn = read_path("README.md")
    place = drawn.up.index("flow")
    neighbours = {drawn.up[place - 1], drawn.up[place + 1], drawn.down[1]}
    assert {i.our_part for i in ALL_IMPORTS if i.part == "flow"} & STAGES == neighbours | drawn.asked
    known = {i.our_part for i in ALL_IMPORTS if i.part in {"assembly", "gateway"}}
    assert {*drawn.up, *drawn.down, "control"} - neighbours <= known
    assert all(i.our_part not in STAGES for i in ALL_IMPORTS if i.part == "observe"), "everybody uses it, it nobody"


def test_nothing_imports_the_gateway_but_what_runs_it() -> None:
    users = {i.part for i in ALL_IMPORTS if i.our_part == "gateway"}
    assert users <= {"cli", "demo", "testing"}


def test_only_its_maker_imports_aioquic() -> None:
    folder = PACKAGE / "transport" / "aioquic"
    wrong = [str(i) for i in ALL_IMPORTS if i.top == "aioquic" and folder not in i.file.parents]
    assert not wrong, "\n".join(wrong)


def test_a_maker_of_the_engine_is_found_by_its_name_only() -> None:
    """Types of the reference are what both makers have; nobody else needs to know which one there is."""
    ours = [i for i in ALL_IMPORTS if i.target.startswith("quicgw_fast.backend.python")]
    assert ours
    wrong = [str(i) for i in ours if i.part not in {"backend", "_core"}]
    assert not wrong, "\n".join(wrong)


def test_a_maker_of_the_transport_is_found_by_its_name_only() -> None:
    for maker in makers.MAKERS:
        ours = [i for i in ALL_IMPORTS if i.target.startswith(f"quicgw_fast.transport.{maker}")]
        wrong = [str(i) for i in ours if PACKAGE / "transport" / maker not in i.file.parents]
        assert ours, maker
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("seam", "its_makers"), [("transport", makers), ("upstream", upstream_makers)])
def test_the_shared_tests_of_a_seam_look_into_no_maker(seam: str, its_makers: ModuleType) -> None:
    suite = ROOT / "tests" / seam
    for maker in its_makers.MAKERS:
        assert (suite / maker / "__init__.py").exists(), f"tests that look inside {maker} belong there"
        looks = re.compile(rf"(from|import) (quicgw_fast\.{seam})?\.{maker}\b|\.{seam} import {maker}\b")
        wrong = [path.name for path in suite.glob("*.py") if looks.search(path.read_text(encoding="utf-8"))]
        assert not wrong, f"{wrong} look into {maker}"


def test_only_the_traces_import_opentelemetry_and_nobody_the_traces_but_the_gateway() -> None:
    wrong = [str(i) for i in ALL_IMPORTS if i.top == "opentelemetry" and i.part != "tracing"]
    wrong += [str(i) for i in ALL_IMPORTS if i.our_part == "tracing" and i.part not in {"tracing", "gateway"}]
    assert not wrong, "\n".join(wrong)


def test_only_the_cluster_imports_the_client_of_the_directory() -> None:
    wrong = [str(i) for i in ALL_IMPORTS if i.top in {"valkey", "redis"} and i.part != "cluster"]
    assert any(i.top == "valkey" for i in ALL_IMPORTS)
    assert not wrong, "\n".join(wrong)


def test_grpc_is_imported_only_where_it_is_spoken() -> None:
    ours = {"upstream", "control", "cluster", "demo", "service", "tracing"}
    wrong = [str(i) for i in ALL_IMPORTS if i.top.startswith("grpc") and i.part not in ours]
    assert not wrong, "\n".join(wrong)


def test_only_its_maker_of_upstream_calls_and_services_use_the_client_side_of_grpc() -> None:
    users = {PACKAGE / "upstream" / "grpcio", PACKAGE / "service", PACKAGE / "cluster" / "peering"}
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if (name in CLIENT_SIDE_OF_GRPC or name.endswith("ServiceStub")) and not users & {*path.parents}:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} uses {name}")
    assert not wrong, "\n".join(wrong)


def test_a_routing_mode_is_an_object_that_nobody_compares() -> None:
    """What depends on ``routing.mode`` is in the mode's file; a new one is no cut through the rooms."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare) and "routing.mode" in ast.unparse(node)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", PURE)
def test_a_pure_stage_knows_no_loop_no_network_and_no_clock(part: str) -> None:
    wrong = [str(i) for i in ALL_IMPORTS if i.part == part and i.top in IMPURE_MODULES]
    assert not wrong, "\n".join(wrong)


def test_only_the_makers_that_are_compiled_import_the_extension() -> None:
    folders = {
        PACKAGE / "backend",
        PACKAGE / "upstream" / "native",
        PACKAGE / "transport" / "quinn",
        PACKAGE / "cli" / "load",
    }
    ours = [i for i in ALL_IMPORTS if i.target.startswith(f"{PACKAGE.name}._core")]
    wrong = [str(i) for i in ours if not folders & set(i.file.parents)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("crate", "known"),
    [("bench", "hdrhistogram"), ("core", "crossbeam-queue"), ("transport", "quinn-proto"), ("upstream", "h2")],
)
def test_a_pure_crate_does_not_depend_on_pyo3(crate: str, known: str) -> None:
    manifest = tomllib.loads((ROOT / "rust" / crate / "Cargo.toml").read_text(encoding="utf-8"))
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    needs = {package["name"]: [d.split()[0] for d in package.get("dependencies", ())] for package in locked}
    todo, seen = [manifest["package"]["name"]], set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += needs[name]
    assert known in seen
    assert not [name for name in seen if "pyo3" in name]


def test_generated_code_is_in_one_place_and_up_to_date(tmp_path: Path) -> None:
    makers = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "proto" / "generate.py"), str(tmp_path)]
    subprocess.run(command, check=True, env=makers, capture_output=True, text=True)
    made = tmp_path / "quicgw_fast" / "proto"
    names = sorted(path.name for path in made.iterdir())
    assert names == sorted(path.name for path in (PACKAGE / "proto").glob("*_pb2*"))
    _, differ, missing = filecmp.cmpfiles(made, PACKAGE / "proto", names, shallow=False)
    assert not differ, "run python proto/generate.py"
    assert not missing
    others = [p for p in ROOT.glob("*/**/*_pb2*.py*") if p.parent != PACKAGE / "proto" and ".venv" not in p.parts]
    assert not [p for p in others if p.suffix in {".py", ".pyi"}]


@pytest.mark.parametrize(("place", "table"), [("states", states), ("connection", lifecycle), ("client", client_states)])
def test_the_state_diagrams_in_the_documents_are_the_tables_in_the_code(place: str, table: ModuleType) -> None:
    drawn = between("ARCHITECTURE.md", place)
    assert drawn == f"```mermaid\n{table.mermaid()}\n```", f"print {table.__name__}.mermaid() and put it there"
