"""The package as others see it: its front door, its types, what it depends on."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

import quicgw_fast
from quicgw_fast import client

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def in_a_new_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def modules() -> list[str]:
    package = ROOT / "python"
    paths = (path for path in (package / "quicgw_fast").rglob("*.py") if path.name != "__main__.py")
    return sorted(".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__") for path in paths)


def test_the_sdk_is_at_the_front_door() -> None:
    for name in client.__all__:
        assert getattr(quicgw_fast, name) is getattr(client, name)


def test_all_and_dir_name_everything() -> None:
    assert {*client.__all__, "__version__"} == set(quicgw_fast.__all__)
    assert {*quicgw_fast.__all__, "__doc__"} <= set(dir(quicgw_fast))


@pytest.mark.parametrize("name", ["_private", "backend_"])
def test_a_name_that_cannot_be_the_sdks_is_an_attribute_error_too(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(quicgw_fast, name)


def test_the_version_is_that_of_the_installed_package() -> None:
    assert quicgw_fast.__version__ == importlib.metadata.version("quicgw-fast")


def test_all_and_dir_name_everything_although_nothing_is_loaded_yet() -> None:
    done = in_a_new_process(
        "import quicgw_fast, sys\n"
        "early = 'quicgw_fast.client' in sys.modules\n"
        "missing = {*quicgw_fast.__all__} - {*dir(quicgw_fast)}\n"
        "from quicgw_fast import *\n"
        "print(early, missing, connect.__name__, 'Client' in quicgw_fast.__all__, bool(__version__))"
    )
    assert done.stdout.strip() == "False set() connect True True", done.stderr


def test_a_shell_completes_the_names_of_the_sdk() -> None:
    done = in_a_new_process(
        "import quicgw_fast, rlcompleter\n"
        "complete = rlcompleter.Completer({'quicgw_fast': quicgw_fast}).complete\n"
        "print([complete('quicgw_fast.conn', n) for n in range(2)], complete('quicgw_fast.__ver', 0))"
    )
    assert "'quicgw_fast.connect(" in done.stdout, done.stderr
    assert "quicgw_fast.__version__" in done.stdout


def test_every_public_class_and_function_of_the_sdk_is_in_all() -> None:
    found = {
        name
        for name, value in vars(client).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert sorted(found) == client.__all__


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        quicgw_fast.nonsense  # noqa: B018


@pytest.mark.timeout(300)  # it looks at the whole package, without a cache
def test_a_misspelt_name_does_not_pass_the_type_checker(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import quicgw_fast\n"
        "client: quicgw_fast.Client = quicgw_fast.connect('127.0.0.1:1', openid='a')\n"
        "quicgw_fast.conect('127.0.0.1:1', openid='a')\n"
    )
    # A cache of its own: in the project's, an earlier run's folder would be the file's name.
    options = ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache")]
    # In a process of its own: it lets its process recurse deeper, and other tests would find no end.
    command = [sys.executable, "-m", "mypy", *options, str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout
    assert not done.stderr
    assert [line.partition(": ")[0] for line in said.splitlines() if " error: " in line] == [f"{program}:3"], said
    assert "conect" in said


@pytest.mark.parametrize(
    "first", ["from quicgw_fast import backend", "import quicgw_fast", "import quicgw_fast.config"]
)
def test_the_package_starts_without_the_client_and_quic(first: str) -> None:
    done = in_a_new_process(
        f"{first}\nimport sys\nprint('aioquic' in sys.modules, 'quicgw_fast.client' in sys.modules)"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False False"), done.stderr


@pytest.mark.parametrize(
    ("stage", "maker", "library"), [("transport", "aioquic", "aioquic"), ("upstream", "grpcio", "grpc")]
)
def test_a_stage_is_imported_without_its_makers(stage: str, maker: str, library: str) -> None:
    done = in_a_new_process(
        f"import quicgw_fast.{stage}, sys\n"
        f"print('quicgw_fast.{stage}.{maker}' in sys.modules, '{library}' in sys.modules)"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False False"), done.stderr


def test_the_sdk_comes_when_it_is_asked_for() -> None:
    done = in_a_new_process("import quicgw_fast\nprint(quicgw_fast.connect.__module__)")
    assert done.stdout.startswith("quicgw_fast.client"), done.stderr


def test_every_module_can_be_imported_and_warns_of_nothing() -> None:
    # In any order: there are no circles among them (test_architecture).
    done = in_a_new_process(f"import importlib\nfor name in {modules()!r}:\n    importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


def test_an_unknown_engine_is_an_error_that_says_what_may_be() -> None:
    done = in_a_new_process("import quicgw_fast.backend", QUICGW_BACKEND="cython")
    assert done.returncode != 0
    assert "must be auto, rust or python" in done.stderr


def test_the_package_is_typed() -> None:
    assert (ROOT / "python/quicgw_fast/py.typed").is_file()


def test_the_licence_is_there() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_a_dependency_has_a_tested_range_and_the_installed_one_is_in_it(requirement: str) -> None:
    match = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+),<([\d.]+)(?:; .+)?", requirement)
    assert match is not None, f"{requirement} must have a lower and an upper bound"
    name, low, high = match.groups()
    installed = importlib.metadata.version(name)
    assert numbers(low) <= numbers(installed) < numbers(high), f"{name} {installed} was never tested"


@pytest.mark.parametrize(
    ("extras", "file"), [(("server",), "lowest.in"), (("service",), "lowest-client.in")], ids=["server", "client"]
)
def test_the_lowest_versions_that_are_tried_are_the_bounds(extras: tuple[str, ...], file: str) -> None:
    ranges = [*PROJECT["dependencies"], *(r for extra in extras for r in PROJECT["optional-dependencies"][extra])]
    bounds = dict(re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", one).groups() for one in ranges)  # type: ignore[union-attr]
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
    tried = dict(re.findall(r"^([\w-]+)(?:\[\w+\])?==([\d.]+)", text, re.MULTILINE))
    if "protobuf" not in tried:  # the services of the gateway want a newer one than its clients
        del bounds["protobuf"]
    assert {name: numbers(low) for name, low in tried.items()} == {
        name: numbers(low) + [0] * (len(numbers(tried[name])) - len(numbers(low))) for name, low in bounds.items()
    }


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def test_protobuf_runs_on_its_c_implementation() -> None:
    from google.protobuf.internal import api_implementation

    assert api_implementation.Type() == "upb"
