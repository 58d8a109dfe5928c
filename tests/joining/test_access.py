"""Files of the cluster that cannot be used: the file is blamed, before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicgw_fast.config import ClusterConfig
from quicgw_fast.errors import SettingError
from quicgw_fast.joining import try_joining
from quicgw_fast.joining.access import read_node_access
from tests.support.authority import Authority

URL = "valkey://127.0.0.1:6379"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    ours = Authority("nodes")
    return {"ca": ours.write(tmp_path), **ours.server_files(tmp_path)}


def test_files_that_go_together(files: dict[str, Path]) -> None:
    access = read_node_access(ClusterConfig(url=URL, **files))
    assert (access.ca, access.cert) == (files["ca"].read_bytes(), files["cert"].read_bytes())
    assert access.secret is None


@pytest.mark.parametrize(
    ("wrong", "place", "told"),
    [
        ("ca", "key", r"cluster\.ca: no certificates of authorities as PEM are in that file"),
        ("cert", "key", r"cluster\.cert, cluster\.key: .* are not a certificate and its key as PEM"),
        ("key", "ca", r"cluster\.cert, cluster\.key: .* are not a certificate and its key as PEM"),
        ("ca", "absent", r"cluster\.ca: cannot read .*; give the path of a readable PEM file"),
    ],
)
def test_a_file_that_is_another_one(files: dict[str, Path], wrong: str, place: str, told: str) -> None:
    files[wrong] = files.get(place, Path("absent"))
    with pytest.raises(SettingError, match=told) as error:
        try_joining(ClusterConfig(url=URL, **files))
    assert error.value.key[0] == "cluster"


def test_a_secret_that_is_none(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    for content in (b"", b"short", "sixteen characters é".encode(), b"\xff" * 20):
        secret.write_bytes(content)
        secret.chmod(0o600)
        with pytest.raises(SettingError, match=r"cluster\.secret_file: "):
            try_joining(ClusterConfig(url=URL, secret_file=secret))


def test_a_gateway_that_is_alone_reads_none_of_them() -> None:
    try_joining(ClusterConfig(secret_file=Path("absent")))
