"""The directory in Python: what its scripts do, with a clock that the test moves. A test compares the two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Field(NamedTuple):
    key: str
    node: str
    session: str
    epoch: str

    @property
    def gen(self) -> int:
        return int(self.key)


@dataclass
class ToyDirectory:
    """All keys are in ``data``; leases and what is empty pass with ``ms``."""

    ms: Callable[[], int]
    data: dict[str, object] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, keys: Sequence[str], *arguments: str | bytes | int) -> object:
        """Run a script by its name; the answer as the client's library gives it."""
        self._pass()
        return getattr(self, f"_{name}")(list(keys), [str(one) for one in arguments])

    def _pass(self) -> None:
        now = self.ms()
        for key in [key for key, until in self.until.items() if until <= now]:
            del self.until[key]
            self.data.pop(key, None)

    def _hash(self, key: str) -> dict[str, str]:
        found = self.data.setdefault(key, {})
        assert isinstance(found, dict)
        return found

    def _drop_empty(self, key: str) -> None:
        if not self.data.get(key, True):
            del self.data[key]
            self.until.pop(key, None)

    def _fields(self, at: str) -> tuple[int, list[Field]]:
        all_of = self.data.get(at, {})
        assert isinstance(all_of, dict)
        found = [Field(key, *value.split(" ")) for key, value in all_of.items() if key != "g"]
        return int(all_of.get("g", 0)), sorted(found, key=lambda each: each.gen)

    def _told(self, found: Field | None, prefix: str) -> bytes:
        if found is None:
            return b""
        return f"{' '.join(found)} {int(prefix + found.node in self.data)}".encode()

    def _era(self, key: str) -> str:
        return self._hash(key).get("id", "") if key in self.data else ""

    def _renew(self, keys: list[str], arguments: list[str]) -> object:
        era, nodes = keys
        prefix, node, lease, about, run, new, founding, connection = arguments
        before = self.data.get(prefix + node)
        known = self._hash(era)
        if "id" not in known or known["run"] != run:
            known |= {"id": new, "run": run, "born": "0" if founding == "1" else str(self.ms())}
        if before is None or int(str(before)) <= int(connection):
            self.data[prefix + node] = connection
            self.until[prefix + node] = self.ms() + int(lease)
        listed = self._hash(nodes)
        listed[node] = about
        there: list[bytes] = []
        for name in list(listed):
            if prefix + name in self.data:
                there += [name.encode(), listed[name].encode()]
            else:
                del listed[name]
        return [int(before is not None), known["id"].encode(), there]

    def _leave(self, keys: list[str], arguments: list[str]) -> object:
        prefix, node = arguments
        self.data.pop(prefix + node, None)
        self.until.pop(prefix + node, None)
        self._hash(keys[0]).pop(node, None)
        self._drop_empty(keys[0])
        return b"ok"

    def _vouch(self, keys: list[str], arguments: list[str]) -> object:
        era, lease = keys
        if self._era(era) != arguments[0]:
            return b"era"
        if lease not in self.data:
            return b"gone"
        self.until[lease] = self.ms() + int(arguments[1])
        return b"ok"

    def _claim(self, keys: list[str], arguments: list[str]) -> object:
        at, era = keys
        prefix, era_id, node, named, devices, grace = arguments
        known = self._hash(era) if era in self.data else {}
        if known.get("id") != era_id:
            return [b"era"]
        now = self.ms()
        if now - int(known["born"]) < int(grace):
            return [b"early"]
        last, found = self._fields(at)
        claims = self._hash(at)
        holder: Field | None = None
        lowest: Field | None = None
        settled = 0
        for each in found:
            if devices == "1":
                holder = holder or each
            elif each.node == node and each.epoch == "-" and now - each.gen > 60_000:
                del claims[each.key]
            else:
                if each.session == named and named != "-" and each.node != node:
                    holder = holder or each
                if each.epoch not in "-+":
                    settled, lowest = settled + 1, lowest or each
        if devices != "1" and holder is None and settled >= int(devices) and lowest and lowest.node != node:
            holder = lowest
        generation = max(last + 1, now)
        claims |= {"g": str(generation), str(generation): f"{node} {named} -"}
        self.until.pop(at, None)
        return [b"ok", str(generation).encode(), self._told(holder, prefix)]

    def _take(self, keys: list[str], arguments: list[str]) -> object:
        at, era, replica = keys
        era_id, _, key, its, devices, prefix, dead, drops = arguments
        if self._era(era) != era_id:
            return b"era"
        last, found = self._fields(at)
        if key not in {each.key for each in found}:
            return b"newer" if devices == "1" and last > int(key) else b"gone"
        holder = next((each for each in found if each.key == its), None)
        session = "-" if holder is None else holder.session
        if holder is not None and dead == "1" and prefix + holder.node in self.data:
            return b"alive"
        for each in found:
            if each.gen > int(key) and (devices == "1" or (session != "-" and each.session == session)):
                return b"newer"
        for each in found:
            if each.key == its or (devices == "1" and each.gen < int(key)):
                del self._hash(at)[each.key]
        if drops == "1":
            self.data.pop(replica, None)
        return b"ok"

    def _settle(self, keys: list[str], arguments: list[str]) -> object:
        at, era, sid, gid = keys
        era_id, node, key, session, epoch, openid, its_gid, before = arguments
        if self._era(era) != era_id:
            return b"era"
        if key not in (self._hash(at) if at in self.data else {}):
            return b"gone"
        self._hash(at)[key] = f"{node} {session} {epoch}"
        if before != sid:
            self.data.pop(before, None)
        self.data[sid] = openid
        if its_gid:
            self.data[gid] = session
        return b"ok"

    def _release(self, keys: list[str], arguments: list[str]) -> object:
        at, sid, gid, replica = keys
        node, key, session, remembered = arguments
        mine = any(each.key == key and each.node == node for each in self._fields(at)[1])
        if mine:
            del self._hash(at)[key]
        _, found = self._fields(at)
        if mine and not found and session != "-":
            self.data.pop(replica, None)
        elsewhere = any(each.session == session for each in found)
        if not elsewhere:
            self.data.pop(sid, None)
            if self.data.get(gid) == session:
                del self.data[gid]
        if not found and at in self.data:
            self.until[at] = self.ms() + int(remembered)
        return b"ok"

    def _find(self, keys: list[str], arguments: list[str]) -> object:
        prefix, kind, sid, at, era_id, grace = arguments
        (key, era), session = keys, ""
        known = self.data.get(era, {})
        assert isinstance(known, dict)
        complete = known.get("id") == era_id and self.ms() - int(known["born"]) >= int(grace)
        nothing: list[bytes] = [] if complete else [b"early"]
        if kind == "gid":
            session = str(self.data.get(key, ""))
            if not session:
                return nothing
            key = sid + session
        elif kind == "session":
            session = key.removeprefix(sid)
        if session:
            if key not in self.data:
                return nothing
            key = at + str(self.data[key])
        having = [each for each in self._fields(key)[1] if not session or each.session == session]
        return [self._told(each, prefix) for each in having] or nothing

    def _forget(self, keys: list[str], arguments: list[str]) -> object:
        node, *known = arguments
        for each in self._fields(keys[0])[1]:
            if each.node == node and each.epoch == "-" and each.key not in known:
                del self._hash(keys[0])[each.key]
        self._drop_empty(keys[0])
        return b"ok"

    def _sweep(self, keys: list[str], arguments: list[str]) -> object:
        prefix, era_id, at, sid, gid, pattern, cursor, count, remembered, *gone = arguments
        if self._era(keys[0]) != era_id:
            return [b"era"]
        begin = int(cursor)
        names = sorted(key for key in self.data if key.startswith(pattern[:-1]))
        forgotten, dead = 0, set[str]()
        for name in names[begin : begin + int(count)]:
            if name.startswith(at):
                _, found = self._fields(name)
                without = [each for each in found if prefix + each.node not in self.data]
                dead |= {each.node for each in without}
                going = [each for each in without if each.node in gone]
                for each in going:
                    del self._hash(name)[each.key]
                forgotten += len(going)
                if found and len(going) == len(found):
                    self.until[name] = self.ms() + int(remembered)
            elif name.startswith(sid):
                _, found = self._fields(at + str(self.data[name]))
                if not any(each.session == name.removeprefix(sid) or each.epoch == "-" for each in found):
                    del self.data[name]
            elif name.startswith(gid) and sid + str(self.data[name]) not in self.data:
                del self.data[name]
        following = begin + int(count) if begin + int(count) < len(names) else 0
        return [b"ok", str(following).encode(), forgotten, [node.encode() for node in sorted(dead)]]

    def _assert(self, keys: list[str], arguments: list[str]) -> object:
        era, *rest = keys
        prefix, era_id, node, devices, check, *told = arguments
        if self._era(era) != era_id:
            return [b"era"]
        answers = []
        for number in range(len(rest) // 3):
            named, claim = rest[3 * number : 3 * number + 3], told[5 * number : 5 * number + 5]
            answers.append(self._asserted(*named, prefix, node, devices, check, *claim))
            self._drop_empty(named[0])
        return answers

    def _asserted(
        self, at: str, sid: str, gid: str, prefix: str, node: str, devices: str, check: str,
        key: str, session: str, epoch: str, openid: str, its_gid: str,
    ) -> bytes:  # fmt: skip
        last, found = self._fields(at)
        claims = self._hash(at)
        here = any(each.key == key and each.node == node for each in found)
        others = [each for each in found if not (each.key == key and each.node == node)]
        rivals = [e for e in others if devices == "1" or (e.session == session and session != "-")]
        older = [each for each in rivals if each.gen < int(key)]
        lower = next((each for each in older if each.node != node), None)
        for each in older:
            if each.node == node:
                del claims[each.key]
        newer = [each for each in rivals if each.gen >= int(key)] if check != "check" else []
        undecided = [each for each in newer if each.epoch == "-" and prefix + each.node in self.data]
        waits, holds = bool(undecided), len(undecided) == len(newer)
        if check == "check" or (check == "strict" and not here):
            holds = here
        if check != "check" and epoch == "-":
            epoch = "+"
        if not holds:
            return b"0"
        if waits:
            return b"2"
        claims |= {"g": str(max(last, int(key))), key: f"{node} {session} {epoch}"}
        self.until.pop(at, None)
        if epoch not in "-+":
            self.data[sid] = openid
            if its_gid:
                self.data.setdefault(gid, session)
        return b"1" + self._told(lower, prefix)

    def _replicate(self, keys: list[str], arguments: list[str]) -> object:
        at, prefix, era, node, keep, connection, *told = arguments
        if self._era(keys[0]) != era or self.data.get(keys[1]) != connection:
            return b"era"
        letters = ""
        for openid, generation, behind, data in zip(*(told[n::4] for n in range(4)), strict=True):
            before = "" if behind == "0" else str(self.data.get(prefix + openid, ""))
            if not any(each.key == generation and each.node == node for each in self._fields(at + openid)[1]):
                letters += "g"
            elif len(before) != int(behind):
                self.data.pop(prefix + openid, None)
                letters += "a"
            else:
                self.data[prefix + openid] = before + data
                self.until[prefix + openid] = self.ms() + int(keep)
                letters += "k"
        return letters.encode()

    def _refresh(self, keys: list[str], arguments: list[str]) -> object:
        del keys
        prefix, keep, *openids = arguments
        self.until |= {prefix + one: self.ms() + int(keep) for one in openids if prefix + one in self.data}
        return b"ok"

    def _replica(self, keys: list[str], arguments: list[str]) -> object:
        del arguments
        return str(self.data.get(keys[0], "")).encode()
