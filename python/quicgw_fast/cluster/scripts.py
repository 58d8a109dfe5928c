"""The steps that the directory takes atomically, in Lua; ``tests/cluster/toy.py`` is the same in Python.

A hash ``at:<openid>`` has the openid's last generation in ``g``, and for each claim a field, its generation, with
``node session epoch``; an epoch of ``-`` stands for a session that has not begun, and ``+`` for one of which its node
has said so again, to data that was new. A claimer writes its field in the same step in
which it learns of the others, so of two the later one always finds the earlier one. Who is found has to yield before
the claimer acts, and ``take`` removes it. So of all fields for one openid (with several devices: for one session) the
*lowest* alone can be acted on: each higher one was told to wait for a lower one. That may be an own one, of a session
that has been given up to somebody who has not taken it yet.

Generations grow with the directory's clock (milliseconds since 1970), so that they do not begin anew when its data is
lost. Lua writes large numbers with an exponent, therefore ``%.0f``.

A lease has the number of its node's connection over which it was renewed. What an earlier one still carried may come
behind what a later one brought; of replicas nothing is written then, as it would be older than what is there.

All keys of one name have one hash tag, as a claim reads the era and the leases in the same step: they live on one
server, or in one slot.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

_COMMON: Final = """
local function ms() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end
local function num(n) return string.format('%.0f', n) end
local function split(v) return string.match(v, '^(%S+) (%S+) (%S+)$') end
local function fields(at)
  local all, g, list = redis.call('HGETALL', at), 0, {}
  for i = 1, #all, 2 do
    if all[i] == 'g' then g = tonumber(all[i + 1])
    else
      local node, session, epoch = split(all[i + 1])
      list[#list + 1] = {gen = tonumber(all[i]), key = all[i], node = node, session = session, epoch = epoch}
    end
  end
  table.sort(list, function(a, b) return a.gen < b.gen end)
  return g, list
end
local function told(f, prefix)
  if not f then return '' end
  return f.key .. ' ' .. f.node .. ' ' .. f.session .. ' ' .. f.epoch .. ' ' .. redis.call('EXISTS', prefix .. f.node)
end
"""

_RENEW: Final = """
-- KEYS: era, nodes; ARGV: prefix of leases, node, lease in ms, about, run of the server, a new era, 1 if founding,
-- which of the node's connections asks
local before = redis.call('GET', ARGV[1] .. ARGV[2])
local era = redis.call('HMGET', KEYS[1], 'id', 'run')
if not era[1] or era[2] ~= ARGV[5] then
  era[1] = ARGV[6]
  redis.call('HSET', KEYS[1], 'id', ARGV[6], 'run', ARGV[5], 'born', ARGV[7] == '1' and '0' or num(ms()))
end
if not before or tonumber(before) <= tonumber(ARGV[8]) then
  redis.call('SET', ARGV[1] .. ARGV[2], ARGV[8], 'PX', ARGV[3])
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
local all, there = redis.call('HGETALL', KEYS[2]), {}
for i = 1, #all, 2 do
  if redis.call('EXISTS', ARGV[1] .. all[i]) == 1 then
    there[#there + 1] = all[i]
    there[#there + 1] = all[i + 1]
  else redis.call('HDEL', KEYS[2], all[i]) end
end
return {before and 1 or 0, era[1], there}
"""

_LEAVE: Final = """
-- KEYS: nodes; ARGV: prefix of leases, node
redis.call('DEL', ARGV[1] .. ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[2])
return 'ok'
"""

_VOUCH: Final = """
-- KEYS: era, lease of the other; ARGV: era, lease in ms
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return 'era' end
if redis.call('EXISTS', KEYS[2]) == 0 then return 'gone' end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 'ok'
"""

_CLAIM: Final = """
-- KEYS: at, era; ARGV: prefix, era, node, named session or -, devices, ms of grace
local era = redis.call('HMGET', KEYS[2], 'id', 'born')
if era[1] ~= ARGV[2] then return {'era'} end
local now, devices = ms(), tonumber(ARGV[5])
if now - tonumber(era[2]) < tonumber(ARGV[6]) then return {'early'} end
local g, list = fields(KEYS[1])
local holder, lowest, settled = nil, nil, 0
for _, f in ipairs(list) do
  if devices == 1 then holder = holder or f
  elseif f.node == ARGV[3] and f.epoch == '-' and now - f.gen > 60000 then redis.call('HDEL', KEYS[1], f.key)
  else
    if f.session == ARGV[4] and f.session ~= '-' and f.node ~= ARGV[3] then holder = holder or f end
    if f.epoch ~= '-' and f.epoch ~= '+' then settled, lowest = settled + 1, lowest or f end
  end
end
if devices > 1 and not holder and settled >= devices and lowest.node ~= ARGV[3] then holder = lowest end
local gen = math.max(g + 1, now)
redis.call('HSET', KEYS[1], 'g', num(gen), num(gen), ARGV[3] .. ' ' .. ARGV[4] .. ' -')
redis.call('PERSIST', KEYS[1])
return {'ok', num(gen), told(holder, ARGV[1])}
"""

_TAKE: Final = """
-- KEYS: at, era, replica; ARGV: era, node, generation, generation of the holder, devices, prefix,
-- 1 if the holder counts as dead, 1 if nothing is to be left of the replica, as the node writes none
if redis.call('HGET', KEYS[2], 'id') ~= ARGV[1] then return 'era' end
local g, list = fields(KEYS[1])
local mine, its = tonumber(ARGV[3]), '-'
if redis.call('HEXISTS', KEYS[1], ARGV[3]) == 0 then return ARGV[5] == '1' and g > mine and 'newer' or 'gone' end
for _, f in ipairs(list) do
  if f.key == ARGV[4] then
    its = f.session
    if ARGV[7] == '1' and redis.call('EXISTS', ARGV[6] .. f.node) == 1 then return 'alive' end
  end
end
for _, f in ipairs(list) do
  if f.gen > mine and (ARGV[5] == '1' or (its ~= '-' and f.session == its)) then return 'newer' end
end
for _, f in ipairs(list) do
  if f.key == ARGV[4] or (ARGV[5] == '1' and f.gen < mine) then redis.call('HDEL', KEYS[1], f.key) end
end
if ARGV[8] == '1' then redis.call('DEL', KEYS[3]) end
return 'ok'
"""

_SETTLE: Final = """
-- KEYS: at, era, sid, gid; ARGV: era, node, generation, session, epoch, openid, gid or "", key of the session before
if redis.call('HGET', KEYS[2], 'id') ~= ARGV[1] then return 'era' end
if redis.call('HEXISTS', KEYS[1], ARGV[3]) == 0 then return 'gone' end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[2] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
if ARGV[8] ~= KEYS[3] then redis.call('DEL', ARGV[8]) end
redis.call('SET', KEYS[3], ARGV[6])
if ARGV[7] ~= '' then redis.call('SET', KEYS[4], ARGV[4]) end
return 'ok'
"""

_RELEASE: Final = """
-- KEYS: at, sid, gid, replica; ARGV: node, generation, session or -, ms for which an empty openid is remembered
local there = redis.call('HGET', KEYS[1], ARGV[2])
local mine = there and split(there) == ARGV[1]
if mine then redis.call('HDEL', KEYS[1], ARGV[2]) end
local _, list = fields(KEYS[1])
if mine and #list == 0 and ARGV[3] ~= '-' then redis.call('DEL', KEYS[4]) end
local elsewhere = false
for _, f in ipairs(list) do elsewhere = elsewhere or f.session == ARGV[3] end
if not elsewhere then redis.call('DEL', KEYS[2]) end
if redis.call('GET', KEYS[3]) == ARGV[3] and not elsewhere then redis.call('DEL', KEYS[3]) end
if #list == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 'ok'
"""

_FIND: Final = """
-- KEYS: what is looked for, era; ARGV: prefix of leases, openid | session | gid, prefix of sid, prefix of at, era,
-- ms of grace
local key, session = KEYS[1], nil
local function nothing()
  local era = redis.call('HMGET', KEYS[2], 'id', 'born')
  local complete = era[1] == ARGV[5] and ms() - tonumber(era[2]) >= tonumber(ARGV[6])
  return complete and {} or {'early'}
end
if ARGV[2] == 'gid' then
  session = redis.call('GET', key)
  if not session then return nothing() end
  key = ARGV[3] .. session
elseif ARGV[2] == 'session' then session = string.sub(key, #ARGV[3] + 1) end
if session then
  local openid = redis.call('GET', key)
  if not openid then return nothing() end
  key = ARGV[4] .. openid
end
local _, list = fields(key)
local found = {}
for _, f in ipairs(list) do
  if not session or f.session == session then found[#found + 1] = told(f, ARGV[1]) end
end
return #found > 0 and found or nothing()
"""

_FORGET: Final = """
-- KEYS: at; ARGV: node, then the generations that it knows of
local known = {}
for i = 2, #ARGV do known[ARGV[i]] = true end
local _, list = fields(KEYS[1])
for _, f in ipairs(list) do
  if f.node == ARGV[1] and f.epoch == '-' and not known[f.key] then redis.call('HDEL', KEYS[1], f.key) end
end
return 'ok'
"""

_SWEEP: Final = """
-- KEYS: era; ARGV: prefix of leases, era, prefix of at, of sid, of gid, pattern of all, where the walk is,
-- how many to look at, ms for which an empty openid is remembered, then the nodes whose claims go
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[2] then return {'era'} end
local gone, lives, dead, forgotten = {}, {}, {}, 0
for i = 10, #ARGV do gone[ARGV[i]] = true end
local function behind(key, prefix)
  if string.sub(key, 1, #prefix) == prefix then return string.sub(key, #prefix + 1) end
end
local function is_dead(node)
  if lives[node] == nil then
    lives[node] = redis.call('EXISTS', ARGV[1] .. node) == 1
    if not lives[node] then dead[#dead + 1] = node end
  end
  return not lives[node]
end
local walk = redis.call('SCAN', ARGV[7], 'MATCH', ARGV[6], 'COUNT', ARGV[8])
for _, key in ipairs(walk[2]) do
  local session, of_gid = behind(key, ARGV[4]), behind(key, ARGV[5])
  if behind(key, ARGV[3]) then
    local _, list = fields(key)
    local left = #list
    for _, f in ipairs(list) do
      if is_dead(f.node) and gone[f.node] then
        redis.call('HDEL', key, f.key)
        left, forgotten = left - 1, forgotten + 1
      end
    end
    if left == 0 and #list > 0 then redis.call('PEXPIRE', key, ARGV[9]) end
  elseif session then
    local openid = redis.call('GET', key)
    local _, list = fields(ARGV[3] .. openid)
    local wanted = false
    for _, f in ipairs(list) do wanted = wanted or f.session == session or f.epoch == '-' end
    if not wanted then redis.call('DEL', key) end
  elseif of_gid and redis.call('EXISTS', ARGV[4] .. redis.call('GET', key)) == 0 then redis.call('DEL', key) end
end
return {'ok', walk[1], forgotten, dead}
"""

_ASSERT: Final = """
-- KEYS: era, then at, sid and gid of each claim; ARGV: prefix, era, node, devices, again | check | strict,
-- then generation, session or -, epoch or -, openid, gid or "" of each
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[2] then return {'era'} end
local one, answers = ARGV[4] == '1', {}
for i = 2, #KEYS, 3 do
  local at, base = KEYS[i], 6 + (i - 2) / 3 * 5
  local key, session, epoch = ARGV[base], ARGV[base + 1], ARGV[base + 2]
  local mine, holds, wait, lower, here = tonumber(key), true, false, nil, false
  local g, list = fields(at)
  for _, f in ipairs(list) do
    if f.key == key and f.node == ARGV[3] then here = true
    elseif one or (f.session == session and session ~= '-') then
      if f.gen < mine then
        if f.node ~= ARGV[3] then lower = lower or f else redis.call('HDEL', at, f.key) end
      elseif ARGV[5] ~= 'check' then
        if f.epoch == '-' and redis.call('EXISTS', ARGV[1] .. f.node) == 1 then wait = true else holds = false end
      end
    end
  end
  if ARGV[5] == 'check' then holds = here elseif ARGV[5] == 'strict' and not here then holds = false end
  if ARGV[5] ~= 'check' and epoch == '-' then epoch = '+' end
  if holds and not wait then
    redis.call('HSET', at, 'g', num(math.max(g, mine)), key, ARGV[3] .. ' ' .. session .. ' ' .. epoch)
    redis.call('PERSIST', at)
    if epoch ~= '-' and epoch ~= '+' then
      redis.call('SET', KEYS[i + 1], ARGV[base + 3])
      if ARGV[base + 4] ~= '' then redis.call('SET', KEYS[i + 2], session, 'NX') end
    end
  end
  answers[#answers + 1] = not holds and '0' or wait and '2' or '1' .. told(lower, ARGV[1])
end
return answers
"""


_REPLICATE: Final = """
-- KEYS: era, lease; ARGV: prefix of at, prefix of replicas, era, node, ms to keep them, which of the node's
-- connections asks, then openid, generation, bytes that are to be there (0: a whole), data of each record; a letter for
-- each is returned
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[3] or redis.call('GET', KEYS[2]) ~= ARGV[6] then return 'era' end
local told = {}
for i = 7, #ARGV, 4 do
  local key, behind, data, letter = ARGV[2] .. ARGV[i], tonumber(ARGV[i + 2]), ARGV[i + 3], 'k'
  local held = redis.call('HGET', ARGV[1] .. ARGV[i], ARGV[i + 1])
  if not held or split(held) ~= ARGV[4] then letter = 'g'
  elseif behind == 0 then redis.call('SET', key, data, 'PX', ARGV[5])
  elseif redis.call('APPEND', key, data) ~= behind + #data then
    redis.call('DEL', key)
    letter = 'a'
  end
  told[#told + 1] = letter
end
return table.concat(told)
"""

_REFRESH: Final = """
-- ARGV: prefix of replicas, ms to keep them, then openids
for i = 3, #ARGV do redis.call('PEXPIRE', ARGV[1] .. ARGV[i], ARGV[2]) end
return 'ok'
"""

_REPLICA: Final = """
-- KEYS: replica
return redis.call('GET', KEYS[1]) or ''
"""


@dataclass(frozen=True, slots=True)
class AtomicScript:
    """One of them."""

    name: str
    text: str
    sha: str = field(init=False)
    """How the server calls it once it is loaded."""

    def __post_init__(self) -> None:
        sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", sha)


RENEW: Final = AtomicScript("renew", _COMMON + _RENEW)
LEAVE: Final = AtomicScript("leave", _LEAVE)
CLAIM: Final = AtomicScript("claim", _COMMON + _CLAIM)
TAKE: Final = AtomicScript("take", _COMMON + _TAKE)
SETTLE: Final = AtomicScript("settle", _COMMON + _SETTLE)
RELEASE: Final = AtomicScript("release", _COMMON + _RELEASE)
FIND: Final = AtomicScript("find", _COMMON + _FIND)
SWEEP: Final = AtomicScript("sweep", _COMMON + _SWEEP)
FORGET: Final = AtomicScript("forget", _COMMON + _FORGET)
ASSERT: Final = AtomicScript("assert", _COMMON + _ASSERT)
VOUCH: Final = AtomicScript("vouch", _COMMON + _VOUCH)
REPLICATE: Final = AtomicScript("replicate", _COMMON + _REPLICATE)
REFRESH: Final = AtomicScript("refresh", _REFRESH)
REPLICA: Final = AtomicScript("replica", _REPLICA)
_CLAIMS: Final = (CLAIM, TAKE, SETTLE, RELEASE, FIND, FORGET, SWEEP, ASSERT)
ALL: Final = (RENEW, LEAVE, VOUCH, *_CLAIMS, REPLICATE, REFRESH, REPLICA)
