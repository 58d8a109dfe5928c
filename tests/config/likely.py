"""Mistakes that are likely, each with where it is told to be and what is told of it."""

from __future__ import annotations

from typing import NamedTuple

FILE = "gateway.toml"
FILES = ("server.pem", "server.key")
"""What is in the folder of the configuration, with nothing in it."""


class Likely(NamedTuple):
    """A configuration with one mistake."""

    text: str
    line: int
    column: int
    key: str
    told: str
    suggestion: str | None = None


class NoToml(NamedTuple):
    """A text that no parser takes."""

    text: str
    line: int
    column: int | None
    told: str


LIKELY = (
    Likely("[server]\nquic = 8443", 2, 1, "server.quic", 'must be a text in quotes, for example "0.0.0.0:8443"'),
    Likely('[session]\nmemory = "1.5MiB"', 2, 1, "session.memory", "did you mean 1536KiB?"),
    Likely('[session]\nmemory = "16 mb"', 2, 1, "session.memory", "did you mean 16MiB?"),
    Likely('[session]\ntimeot = "5m"', 2, 1, "session.timeot", "did you mean timeout?", "session.timeout"),
    Likely("[session]\nwindowBytes = 1", 2, 1, "session.windowBytes", "did you mean window_bytes?"),
    Likely("[sesion]", 1, 2, "sesion", "unknown table; did you mean session?", "session"),
    Likely("[x]", 1, 2, "x", "known: server, tls"),
    Likely("[server]\nmax_workers = 3", 2, 1, "server.max_workers", "belongs to [processor]", "processor.max_workers"),
    Likely('timeout = "5m"', 1, 1, "timeout", "belongs to [session], which must stand above it", "session.timeout"),
    Likely("[server]\nwork_timeout = 3", 2, 1, "server.work_timeout", "processor.task_timeout, in another"),
    Likely("server = 3", 1, 1, "server", "write [server] on a line of its own"),
    Likely("[session.timeout]\nx = 1", 1, 10, "session.timeout", "it is a key and no table"),
    Likely('[session]\ntimeout = "30 sec"', 2, 1, "session.timeout", "did you mean 30s?"),
    Likely('[session]\ntimeout = "5 Minutes"', 2, 1, "session.timeout", "did you mean 5m?"),
    Likely('[session]\nmemory = "2GB"', 2, 1, "session.memory", "did you mean 2GiB?"),
    Likely('[session]\ntimeout = "soon"', 2, 1, "session.timeout", "write for example 250ms"),
    Likely('[upstream]\nejection = "maybe"', 2, 1, "upstream.ejection", "must be true or false"),
    Likely('[server]\n\n  quic = "127.0.0.1:70000"', 3, 3, "server.quic", "a port up to 65535"),
    Likely('[server]\ntransport = "quin"', 2, 1, "server.transport", "did you mean quinn?", "quinn"),
    Likely('[control]\nopen_to_network = ["grcp"]', 2, 1, "control.open_to_network", "did you mean grpc?", "grpc"),
    Likely('[log]\nlevel = "INFO"', 2, 1, "log.level", "did you mean info?", "info"),
    Likely('[tls]\ncert = "sever.pem"\nkey = "server.key"', 2, 1, "tls.cert", "did you mean server.pem?"),
    Likely('[tls]\ncert = "no/server.pem"\nkey = "server.key"', 2, 1, "tls.cert", "there is no folder no"),
    Likely('[tls]\ncert = "."\nkey = "server.key"', 2, 1, "tls.cert", "is a folder; name a file in it"),
    Likely("[offline]\nstore = 'sqlite'\npath = 'no/x.db'", 3, 1, "offline.path", "there is no folder no"),
    Likely("[quic_lb]\nserver_id = '0a1'", 2, 1, "quic_lb.server_id", "write 1 to 15 bytes, each as two hexadecimal"),
    Likely("[quic_lb]\nserver_id = 10", 2, 1, "quic_lb.server_id", "must be a text in quotes, not 10"),
    Likely("[quic_lb]\nconfig_id = 7", 2, 1, "quic_lb.config_id", "7 is out of bounds; allowed: 0 to 6"),
    Likely("[quic_lb]\nnonce_length = 3", 2, 1, "quic_lb.nonce_length", "allowed: 4 to 18 bytes"),
    Likely("[server]\nconnection_ids = 'quiclb'", 2, 1, "server.connection_ids", "did you mean quic-lb?", "quic-lb"),
)
_CLUSTER = "[cluster]\nurl = 'valkey://127.0.0.1:6379'\n"
_BALANCED = "[server]\nconnection_ids = 'quic-lb'\n[quic_lb]\nserver_id = '0a01'\n"

FOUND_BY_PARTS = (
    Likely('[tls]\ncert = "server.pem"', 2, 1, "tls.cert", "tls.key is not"),
    Likely('[overload]\nobserve = ["ful"]', 2, 1, "overload.observe", "names 'ful'"),
    Likely('[routing.exact]\nhello = "zone"', 2, 1, "routing.exact.hello", "the action hello"),
    Likely("[control]\ngrpc_token_file = 'server.pem'", 2, 1, "control.grpc_token_file", "has no token"),
    Likely(
        f"{_BALANCED}key_file = 'server.key'", 5, 1, "quic_lb.key_file", "has no key of 32 hexadecimal digits; make one"
    ),
    Likely("[upstream]\nca = 'server.pem'", 2, 1, "upstream.ca", "certificate"),
    Likely(
        f"{_CLUSTER}secret_file = 'server.pem'", 3, 1, "cluster.secret_file", "no secret of 16 printable characters"
    ),
    Likely(
        f"{_CLUSTER}cert = 'server.pem'\nkey = 'server.key'\nca = 'server.pem'",
        3,
        1,
        "cluster.cert",
        "not a certificate",
    ),
)
"""Those that only the part of the gateway knows which reads the key."""

NO_TOML = (
    NoToml("[server]\nshort_path = yes", 2, None, "write short_path = true"),
    NoToml("[session]\ntimeout = # soon", 2, None, "write the value behind the equals sign"),
    NoToml("[tls]\ncert = /etc/x.pem", 2, 8, 'cert = "/etc/x.pem"'),
    NoToml('{"server": {"quic": "x"}}', 1, 1, "looks like JSON"),
    NoToml('server:\n  quic: "x"', 1, None, "a table is written [server]"),
    NoToml("session.timeout = '1h'\n[session]\n", 2, None, "[session] is there twice"),
    NoToml("[server]\nquic = a b", 2, None, "text stands in quotes"),
    NoToml("[server]\n= 3", 2, 1, "correct that line"),
    NoToml("[server", 1, 8, "expected ']'"),
    NoToml("[server]\nquic = 127.0.0.1:0", 2, 13, 'text, times and sizes stand in quotes: quic = "127.0.0.1:0"'),
    NoToml("[session]\ntimeout = 5m", 2, 12, 'timeout = "5m"'),
    NoToml("[server]\nshort_path = False", 2, 14, "write short_path = false"),
    NoToml("[server]\nquic: '127.0.0.1:0'", 2, 5, "written quic = "),
    NoToml("[server]\nquic = “127.0.0.1:0”", 2, 8, "straight quotes"),
    NoToml('[tls]\ncert = "C:\\keys\\x.pem"', 2, None, "single quotes"),
    NoToml("[server]\n[tls]\n[server]", 3, None, "a table has one place"),
    NoToml("[server]\nquic = 'a:1'\nquic = 'b:1'", 3, None, "it is written twice"),
    NoToml("[server]\nquic = 'a:1", 2, None, "correct that line"),
)
