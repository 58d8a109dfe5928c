"""The scripts on a real server do what the directory in Python does, whatever is asked of both."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
import valkey

from quicgw_fast.cluster.scripts import ALL
from tests.cluster.toy import ToyDirectory

if TYPE_CHECKING:
    from tests.support.directory_server import DirectoryServer

NODES = ["a.1", "b.1", "c.1"]
SESSIONS = ["-", "s1", "s2", "s3"]
T = "{t}:"
PREFIX = f"{T}node:"
LONG = 3_600_000


class Both:
    """One question, asked of both; their clocks are apart, so generations are counted from where each began."""

    def __init__(self, server: DirectoryServer) -> None:
        self.client = valkey.Valkey.from_url(server.url, protocol=2)
        self.calls = {script.name: self.client.register_script(script.text) for script in ALL}
        self.toy = ToyDirectory(lambda: self.now())

    def now(self) -> int:
        seconds, micros = self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def ask(self, name: str, keys: list[str], *arguments: str | int) -> tuple[object, object]:
        real = self.calls[name](keys=keys, args=list(arguments))
        return real, self.toy.run(name, keys, *arguments)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_scripts_and_their_twin_agree(empty_server: DirectoryServer, seed: int, devices: int) -> None:
    rng = random.Random(seed)
    both = Both(empty_server)
    last = both.now() + 1_000_000  # generations above both clocks: then they are the same
    for openid in ("x", "y"):
        both.client.hset(f"{T}at:{openid}", "g", last)
        both.toy.data[f"{T}at:{openid}"] = {"g": str(last)}
    known: list[str] = [str(last + number) for number in range(1, 4)]
    try:
        for _ in range(200):
            name, keys, arguments = step(rng, devices, known)
            real, toy = both.ask(name, keys, *arguments)
            assert plain(real) == plain(toy), (seed, name, keys, arguments)
            if name == "sweep":  # what is left of a claim is found behind it, in whichever order one walks
                for _ in range(2):
                    both.ask(name, keys, *arguments)
            if name == "claim" and isinstance(real, list) and real[0] == b"ok":
                known.append(real[1].decode())
            for openid in ("x", "y"):
                key = f"{T}at:{openid}"
                there = {a.decode(): b.decode() for a, b in both.client.hgetall(key).items()}
                assert there == both.toy.data.get(key, {}), (seed, name, keys, arguments)
            names = {key.decode() for key in both.client.keys(f"{T}*")}
            assert names == both.toy.data.keys(), (seed, name, keys, arguments)
    finally:
        both.client.close()


def step(rng: random.Random, devices: int, known: list[str]) -> tuple[str, list[str], list[str | int]]:
    openid, node, session = rng.choice("xy"), rng.choice(NODES), rng.choice(SESSIONS)
    at, sid, gid, era = f"{T}at:{openid}", f"{T}sid:{session}", f"{T}gid:g", f"{T}era"
    generation, life = rng.choice(known[-8:]), rng.choice(["one"] * 12 + ["other"])
    replica = f"{T}replica:{openid}"
    often = ("claim", "take", "settle", "release", "assert", "replicate") * 2
    rare = ("renew", "leave", "vouch", "find", "forget", "sweep", "claim", "assert", "replica", "refresh")
    kind = rng.choice((*rare, *often))
    if kind == "renew":
        return kind, [era, f"{T}nodes"], [PREFIX, node, LONG, "{}", "run", "one", 1, rng.randint(1, 2)]
    if kind == "vouch":
        return kind, [era, PREFIX + node], [life, LONG]
    if kind == "claim":
        return kind, [at, era], [PREFIX, life, node, session, devices, 1000]
    if kind == "take":
        its, dead, drops = rng.choice(known[-8:]), rng.randint(0, 1), rng.randint(0, 1)
        return kind, [at, era, replica], [life, node, generation, its, devices, PREFIX, dead, drops]
    if kind == "settle":
        before = rng.choice([sid, f"{T}sid:s1"])
        named = session if session != "-" else "s9"
        keys = [at, era, f"{T}sid:{named}", gid]
        return kind, keys, [life, node, generation, named, "e", openid, rng.choice(["", "g"]), before]
    if kind == "release":
        return kind, [at, sid, gid, replica], [node, generation, session, LONG]
    if kind in {"leave", "sweep", "replicate", "replica", "refresh"}:
        return kind, *beside_claims(rng, kind, openid, [life, node, LONG], known)
    if kind == "find":
        what = rng.choice(["openid", "session", "gid"])
        key = {"openid": at, "session": f"{T}sid:s1", "gid": gid}[what]
        return kind, [key, era], [PREFIX, what, f"{T}sid:", f"{T}at:", life, 1000]
    if kind == "forget":
        return kind, [at], [node, *rng.sample(known, 2)]
    epoch = "-" if session == "-" else rng.choice(["-", "e"])
    both = [generation, session, epoch, openid, rng.choice(["", "g"]), rng.choice(known), "s2", "e", "y", "h"]
    how = rng.choice(["again", "check", "strict"])
    return kind, [era, at, sid, gid, f"{T}at:y", f"{T}sid:s2", f"{T}gid:h"], [PREFIX, life, node, devices, how, *both]


def beside_claims(
    rng: random.Random, kind: str, openid: str, who: list[str | int], known: list[str]
) -> tuple[list[str], list[str | int]]:
    """What is of dead nodes, and of replicas."""
    life, node, _ = who
    if kind == "leave":
        return [f"{T}nodes"], [PREFIX, node]
    if kind == "sweep":
        prefixes = PREFIX, life, f"{T}at:", f"{T}sid:", f"{T}gid:", f"{T}*"
        return [f"{T}era"], [*prefixes, 0, 10_000, LONG, *rng.sample(NODES, 2)]
    prefix = f"{T}replica:"
    if kind == "replica":
        return [prefix + openid], []
    if kind == "refresh":
        return [], [prefix, LONG, openid]
    records = [[one, rng.choice(known[-4:]), rng.choice([0, 3, 6]), "abc"] for one in ("x", "y")]
    return [f"{T}era", f"{PREFIX}{node}"], [f"{T}at:", prefix, *who, rng.randint(1, 2), *records[0], *records[1]]


def plain(answer: object) -> object:
    """Nodes are listed in any order."""
    if isinstance(answer, list) and answer and isinstance(answer[-1], list):
        return [*answer[:-1], sorted(answer[-1])]
    return answer


def test_generations_go_on_where_the_data_was_lost(empty_server: DirectoryServer) -> None:
    both = Both(empty_server)
    try:
        before = time.time() * 1000
        both.ask("renew", [f"{T}era", f"{T}nodes"], PREFIX, "a.1", LONG, "{}", "run", "one", 1, 1)
        real, _ = both.ask("claim", [f"{T}at:x", f"{T}era"], PREFIX, "one", "a.1", "-", 1, 1000)
        assert isinstance(real, list)
        assert int(real[1]) >= before - 1
        both.client.flushall()
        both.ask("renew", [f"{T}era", f"{T}nodes"], PREFIX, "a.1", LONG, "{}", "run", "one", 1, 1)
        again, _ = both.ask("claim", [f"{T}at:x", f"{T}era"], PREFIX, "one", "a.1", "-", 1, 1000)
        assert isinstance(again, list)
        assert int(again[1]) > int(real[1]) or int(again[1]) >= before
    finally:
        both.client.close()
