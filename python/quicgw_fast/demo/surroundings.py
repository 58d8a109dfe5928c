"""What the workers of ``quicgw dev`` share: a directory of their own and a certificate, gone with who started them."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from quicgw_fast.demo.embedded import Certificate
from quicgw_fast.demo.private_directory import PrivateDirectory
from quicgw_fast.demo.scratch import Scratch
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from types import TracebackType

    from quicgw_fast.config import Config

_log = logging.getLogger("quicgw.dev")

LEASE: Final = "2s"
"""Of a directory that is new: nothing is granted for so long."""


class Surroundings:
    """What ``config`` does not name, while the context lasts; ``variables`` tell it to workers."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.variables: dict[str, str] = {}
        """Of the environment, in which each of them reads its configuration, also again."""
        self._kept = ExitStack()
        self._directory: PrivateDirectory | None = None
        self._certificate: Certificate | None = None
        self._scratch: Scratch | None = None

    def remove(self) -> None:
        """Leave nothing behind; for who ends at once."""
        if self._directory is not None:
            self._directory.kill()
        for files in (self._scratch, self._certificate):
            if files is not None:
                files.remove()

    def __enter__(self) -> Surroundings:
        config = self._config
        with self._kept:
            if config.cluster.url is None:
                self._scratch = Scratch()
                self._kept.callback(self._scratch.remove)
                self._directory = self._kept.enter_context(PrivateDirectory(self._scratch.path))
                self.variables["QUICGW_CLUSTER__URL"] = self._directory.url
                if "lease" not in config.cluster.model_fields_set:
                    self.variables["QUICGW_CLUSTER__LEASE"] = LEASE
            if config.tls.cert is None and config.tls.key is None:
                self._certificate = self._kept.enter_context(Certificate())
                _log.info("certificate made", extra={"file": str(self._certificate.path)})
                self.variables["QUICGW_TLS__CERT"] = str(self._certificate.path)
                self.variables["QUICGW_TLS__KEY"] = self._in_memory(self._certificate.key)
            self._kept = self._kept.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.close()

    def _in_memory(self, key: bytes) -> str:
        """Where workers read a private key that is in no file: it goes with this process, however that ends."""
        if not hasattr(os, "memfd_create"):
            raise StartupError("several workers behind one port need Linux; leave out --workers")
        descriptor = os.memfd_create("quicgw-dev-key")
        self._kept.callback(os.close, descriptor)
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, key)
        return f"/proc/{os.getpid()}/fd/{descriptor}"
