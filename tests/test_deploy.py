"""What is in deploy/: every file, key, port, page and command that it names exists, and fits what a gateway does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from quicgw_fast.cli.app import command_line
from quicgw_fast.config import load, parse_duration, split_address
from quicgw_fast.config.catalogue import settings
from quicgw_fast.control.guard import PROBES
from tests.cli.process import Gateway, in_process

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COMMANDS = set(command_line().commands)


def fits(seconds: float, config: Any) -> bool:
    """Whether a stop has time for all of a drain."""
    return bool(seconds >= config.drain.delay + config.processor.drain_timeout + 1)


# The image


def instructions(stage: int | None = None) -> list[tuple[str, str]]:
    """Of the whole Dockerfile, or of one stage: the instructions with what follows them."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    every = [(name, rest.strip()) for name, _, rest in lines]
    stages: list[list[tuple[str, str]]] = []
    for name, rest in every:
        if name == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((name, rest))
    return every if stage is None else stages[stage]


def only(name: str) -> str:
    """The one instruction of this name in the last stage."""
    (rest,) = [rest for each, rest in instructions(-1) if each == name]
    return rest


def ignored(path: str) -> bool:
    """What .dockerignore says: the last pattern that matches counts."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and (fnmatch(path.split("/")[0], pattern) or fnmatch(path, pattern)):
            out = not line.startswith("!")
    return out


def test_what_the_image_is_made_of_is_there_and_reaches_the_build() -> None:
    copied = [rest.split() for name, rest in instructions() if name == "COPY"]
    sources = [source for words in copied if not words[0].startswith("--from") for source in words[:-1]]
    assert "Cargo.lock" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    for secret in (".git", ".venv", "target", "tests", "deploy"):
        assert ignored(secret), secret


def test_the_image_has_all_that_the_wheel_is_built_from() -> None:
    copied = {word for name, rest in instructions(1) if name == "COPY" for word in rest.split()[:-1]}
    for needed in ("pyproject.toml", "Cargo.toml", "Cargo.lock", "README.md", "LICENSE", "proto", "rust", "python"):
        assert needed in copied, needed
    rust = re.search(r'rust-version = "(.+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    assert rust is not None
    assert ("ARG", f"RUST={rust[1]}") in instructions()


def test_the_process_in_the_image_is_nobody_that_may_do_much() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", only("USER"))
    assert only("STOPSIGNAL") == "SIGTERM"
    assert [
        words for words in (rest.split() for name, rest in instructions(-1) if name == "COPY") if len(words) > 3
    ] == []
    assert not [rest for name, rest in instructions(-1) if name == "RUN"]
    labels = dict(re.findall(r'(org\.opencontainers\.image\.\w+)="([^"]+)"', only("LABEL")))
    assert {name.rpartition(".")[2] for name in labels} >= {"title", "source", "licenses", "version"}


def test_the_image_runs_a_command_that_there_is() -> None:
    assert json.loads(only("ENTRYPOINT")) == ["quicgw"]
    command, *options = json.loads(only("CMD"))
    assert command in COMMANDS
    assert options == ["--config", "/etc/quicgw/gateway.toml"]


def test_the_image_exposes_the_ports_that_are_the_defaults() -> None:
    ports = {
        f"{split_address(settings()[f'server.{name}'].default)[1]}/{kind}"
        for name, kind in (("quic", "udp"), ("grpc", "tcp"), ("admin", "tcp"))
    }
    assert set(only("EXPOSE").split()) == ports


def test_the_health_check_tells_a_gateway_that_lives_from_none() -> None:
    check = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
    assert check[0] == "python"
    (default,) = re.findall(r"'127\.0\.0\.1', (\d+)", check[2])
    assert default == settings()["server.admin"].default.rpartition(":")[2]
    with Gateway("dev") as gateway:
        program = check[2].replace(default, gateway.admin.rpartition(":")[2])
        ask = [sys.executable, check[1], program]
        assert subprocess.run(ask, check=False, timeout=20).returncode == 0
    assert subprocess.run(ask, check=False, timeout=20, capture_output=True).returncode == 1


# The service of systemd


def unit() -> dict[str, list[str]]:
    """Keys of the section [Service], each with all its values."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (DEPLOY / "systemd" / "quicgw.service").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_service_runs_commands_that_there_are() -> None:
    service = unit()
    for key in ("ExecStartPre", "ExecStart", "ExecReload"):
        program, command, *options = service[key][0].split()
        assert program == "/opt/quicgw/bin/quicgw"
        assert command in COMMANDS, command
        assert options[-1] == "/etc/quicgw/gateway.toml"
    assert in_process("checkconfig", "--help").returncode == 0


def test_the_service_has_time_to_drain_and_says_how_it_is() -> None:
    service = unit()
    assert service["Type"] == ["notify"]
    stop, watchdog = (parse_duration(service[key][0]) for key in ("TimeoutStopSec", "WatchdogSec"))
    assert isinstance(stop, float)
    assert isinstance(watchdog, float)
    assert fits(stop, load())
    assert int(service["LimitNOFILE"][0]) >= 65536


def test_the_service_sets_variables_that_are_settings() -> None:
    known = {setting.variable: setting for setting in settings().values()}
    for assignment in unit()["Environment"]:
        assert assignment.partition("=")[0] in known, assignment


def test_its_user_is_made() -> None:
    (made,) = [
        line.split()[1]
        for line in (DEPLOY / "systemd" / "quicgw.sysusers").read_text(encoding="utf-8").splitlines()
        if line.startswith("u ")
    ]
    assert unit()["User"] == unit()["Group"] == [made]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    command = shutil.which("true")
    text = (DEPLOY / "systemd" / "quicgw.service").read_text(encoding="utf-8")
    here = tmp_path / "quicgw.service"
    here.write_text(text.replace("/opt/quicgw/bin/quicgw", str(command)), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, "")


# Kubernetes


def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """All objects by kind and name."""
    found = {}
    for path in KUBERNETES.glob("*.yaml"):
        if path.name != "kustomization.yaml":
            for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
                found[one["kind"], one["metadata"]["name"]] = one
    return found


OBJECTS = manifests()
POD = OBJECTS["Deployment", "quicgw"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
PORTS = {port["name"]: (port["containerPort"], port.get("protocol", "TCP")) for port in CONTAINER["ports"]}


def configuration(folder: Path, certified: str) -> str:
    """The text of gateway.toml with the pod's folders in ``folder``, and what is in them there."""
    text = (KUBERNETES / "gateway.toml").read_text(encoding="utf-8")
    for mount in CONTAINER["volumeMounts"]:
        (folder / mount["name"]).mkdir()
        text = text.replace(f'"{mount["mountPath"]}/', f'"{folder / mount["name"]}/')
    certificate, key = re.findall(r'"(.+)"', certified)
    shutil.copy(certificate, folder / "tls" / "tls.crt")
    shutil.copy(key, folder / "tls" / "tls.key")
    for name in OBJECTS["Secret", "quicgw-tokens"]["stringData"]:
        (folder / "tokens" / name).write_text("0123456789abcdef\n", encoding="utf-8")
        (folder / "tokens" / name).chmod(0o440)
    return text


@pytest.fixture
def certified(tmp_path: Path) -> str:
    from quicgw_fast.transport import development_certificate

    (tmp_path / "made").mkdir()
    cert, key = development_certificate(tmp_path / "made")
    return f'"{cert}"\n"{key}"'


def test_everything_that_is_applied_is_there() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
    generated = [name for one in listed["configMapGenerator"] for name in one["files"]]
    files = {path.name for path in KUBERNETES.iterdir()} - {"kustomization.yaml", "secrets.example.yaml"}
    assert set(listed["resources"]) | set(generated) == files
    assert [one["name"] for one in listed["configMapGenerator"]] == ["quicgw"]


def test_the_configuration_is_good(tmp_path: Path, certified: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(configuration(tmp_path, certified), encoding="utf-8")
    done = in_process("checkconfig", str(file))
    assert done.returncode == 0, done.stdout
    config = load(file)
    assert fits(POD["spec"]["terminationGracePeriodSeconds"], config)
    for name, (port, protocol) in PORTS.items():
        assert split_address(getattr(config.server, name)) == ("0.0.0.0", port)
        assert protocol == ("UDP" if name == "quic" else "TCP")


def test_every_secret_and_folder_that_is_named_is_mounted() -> None:
    volumes = {volume["name"]: volume for volume in POD["spec"]["volumes"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == set(volumes)
    for name in ("tls", "tokens"):
        secret = OBJECTS["Secret", volumes[name]["secret"]["secretName"]]
        text = (KUBERNETES / "gateway.toml").read_text(encoding="utf-8")
        assert set(re.findall(rf"/etc/quicgw/{name}/([\w.]+)", text)) == set(secret["stringData"])
    assert CONTAINER["args"][0] in COMMANDS
    assert CONTAINER["args"][-1] == "/etc/quicgw/config/gateway.toml"
    assert not [mount for mount in CONTAINER["volumeMounts"] if "subPath" in mount], "a changed file would not arrive"


def test_probes_ask_pages_that_need_no_token() -> None:
    for kind, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        asked = CONTAINER[kind]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, "admin")
        assert path in PROBES


def test_services_lead_to_ports_of_the_pod() -> None:
    labels = POD["metadata"]["labels"]
    assert OBJECTS["Deployment", "quicgw"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["PodDisruptionBudget", "quicgw"]["spec"]["selector"]["matchLabels"] == labels
    for name in ("quicgw", "quicgw-control"):
        service = OBJECTS["Service", name]["spec"]
        assert service["selector"] == labels
        for port in service["ports"]:
            assert PORTS[port["targetPort"]][1] == port.get("protocol", "TCP")


def test_the_pod_may_do_little() -> None:
    pod, container = POD["spec"]["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == only("USER")
    assert container["readOnlyRootFilesystem"] is True
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert POD["spec"]["enableServiceLinks"] is False, "variables QUICGW_… of the cluster would be told as strays"


# The pages


@pytest.mark.parametrize("page", ["docker", "systemd", "kubernetes"])
def test_pages_name_files_keys_and_commands_that_there_are(page: str) -> None:
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    for path in re.findall(r"deploy/[\w./-]+\w", text):
        assert (ROOT / path).exists(), path
    tables = {key.partition(".")[0] for key in settings()}
    for key in re.findall(r"`([a-z]+\.[a-z_]+)`", text):
        assert key in settings() or key.partition(".")[0] not in tables, key
    for command in re.findall(r"quicgw ([a-z]+) ", text):
        assert command in COMMANDS | {"is"}, command
