"""The steps of the offline store that all nodes share, taken atomically by the directory, in Lua.

A hash ``off:<openid>`` has what waits for one openid: for each message a field, its id, with ``stored_at end length key
body``; for each supersede key ``k<key>`` the id of its message; and in ``m`` what a step needs without reading bodies:
how many messages there are (n), their bytes (s), the oldest ``stored_at`` (o), the earliest own end (e), a colour (p).
After removals o and e may be too early, which costs a look and is put right by it. An index by age, ``offline-ends``,
leads to those that have something to remove, so that nobody walks over the keys of all sessions.

The hash ``offline`` has what counts for all: the last id, and how many messages and bytes there are. Ids grow with the
directory's clock (milliseconds since 1970), so that they do not begin anew when its data is lost: sessions know by an
id how far they were sent what waits.

Sums that are only added to would be wrong for ever after a key is gone without a step of these: deleted by hand,
evicted, or past the time that the server itself gives it. So each openid counts in one of two sums (by its colour), and
each sweep paints a few openids over from the old colour to the new one. Once all are painted, nothing is left in the
old sum but what has no messages any more: it is put to 0, and the colours change places. What is put and deleted
meanwhile counts in the colour that its openid has.

A server that is out of memory refuses some writes and not others, so each step that writes tries one of the first kind
before all else: nothing is half done, and a refusal is an answer (text), no reason to give the connection up.
"""

from __future__ import annotations

from typing import Final

from quicgw_fast.cluster.scripts import AtomicScript
from quicgw_fast.store.base import RECORD_COST

_COMMON: Final = (
    f"local RECORD = {RECORD_COST}"
    + """
-- KEYS of all: offline, offline-ends
local function num(x) return string.format('%.17g', x) end
local function whole(x) return string.format('%.0f', x) end
local function refused()
  local told = redis.pcall('HSETNX', KEYS[1], 'id', '0')
  return type(told) == 'table' and told.err
end
local function painting() return redis.call('HGET', KEYS[1], 'p') or '0' end
local function count(colour, openid, messages, size)
  redis.call('HINCRBY', KEYS[1], 'n' .. colour, messages)
  redis.call('HINCRBY', KEYS[1], 'b' .. colour, whole(size + messages * (#openid + RECORD)))
end
local function all()
  local t = redis.call('HMGET', KEYS[1], 'n0', 'n1', 'b0', 'b1')
  return (t[1] or 0) + (t[2] or 0), (t[3] or 0) + (t[4] or 0)
end
local function parts(record)
  local at, ends, size, place = string.match(record, '^(%S+) (%S+) (%d+) ()')
  local behind = place + size
  return tonumber(at), tonumber(ends), string.sub(record, place, behind - 1), #record - behind + 1
end
local function open(key, openid)
  local n, s, o, e, p = string.match(redis.call('HGET', key, 'm') or '0 0 inf inf ', '^(%S+) (%S+) (%S+) (%S+) (.*)')
  n, s = tonumber(n), tonumber(s)
  return {key = key, openid = openid, n = n, s = s, had_n = n, had_s = s,
          o = tonumber(o), e = tonumber(e), p = p ~= '' and p or painting()}
end
local function save(w, age)
  if w.n ~= w.had_n or w.s ~= w.had_s then count(w.p, w.openid, w.n - w.had_n, w.s - w.had_s) end
  w.had_n, w.had_s = w.n, w.s
  if w.n == 0 then
    redis.call('DEL', w.key)
    redis.call('ZREM', KEYS[2], w.openid)
  else
    redis.call('HSET', w.key, 'm', table.concat({w.n, whole(w.s), num(w.o), num(w.e), w.p}, ' '))
    redis.call('ZADD', KEYS[2], num(math.min(w.o + age, w.e)), w.openid)
  end
end
local function remove(w, id)
  local record = redis.call('HGET', w.key, id)
  if not record then return 0 end
  local _, _, key, size = parts(record)
  redis.call('HDEL', w.key, id)
  if key ~= '' then redis.call('HDEL', w.key, 'k' .. key) end
  w.n, w.s = w.n - 1, w.s - size
  return 1
end
local function expire(w, wall, age)
  if w.n == 0 or (w.o + age > wall and w.e > wall) then return 0 end
  local found, gone = redis.call('HGETALL', w.key), 0
  w.o, w.e = math.huge, math.huge
  for i = 1, #found, 2 do
    if string.match(found[i], '^%d') then
      local at, ends = parts(found[i + 1])
      if at + age <= wall or ends <= wall then gone = gone + remove(w, found[i])
      else w.o, w.e = math.min(w.o, at), math.min(w.e, ends) end
    end
  end
  return gone
end
local function sweep(prefix, wall, age, most)
  local due, gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', num(wall), 'LIMIT', 0, most), 0
  for _, openid in ipairs(due) do
    local w = open(prefix .. openid, openid)
    gone = gone + expire(w, wall, age)
    save(w, age)
  end
  return #due, gone
end
"""
)

_PUT: Final = """
-- KEYS: …, waiting of the openid, its claims; ARGV: prefix of waiting, openid, wall, max_age, max_messages, max_bytes,
-- max_total_bytes, openids that are swept when there is no room, ms for which an openid is kept, prefix of leases,
-- node, then the messages
local why = refused()
if why then return why end
local wall, age, last = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(redis.call('HGET', KEYS[1], 'id'))
local most_messages, most_size, most = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local w = open(KEYS[3], ARGV[2])
local gone, replaced, swept, told, stored = expire(w, wall, age), 0, false, {}, false
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if gone > 0 then save(w, age) end
local _, total = all()
for i = 12, #ARGV do
  local at, ends, key, size = parts(ARGV[i])
  local older, freed, price = key ~= '' and redis.call('HGET', w.key, 'k' .. key), 0, #w.openid + RECORD
  if older then
    local _, _, _, its = parts(redis.call('HGET', w.key, older))
    freed = its
  end
  local n, s = w.n - (older and 1 or 0), w.s - freed
  local function rest() return total + (s - w.had_s) + (n - w.had_n) * price end
  if n < most_messages and s + size <= most_size and rest() + size + price > most and not swept then
    swept = true
    save(w, age)
    local _, expired = sweep(ARGV[1], wall, age, ARGV[8])
    gone = gone + expired
    _, total = all()
  end
  if n >= most_messages or s + size > most_size or rest() + size + price > most then
    told[#told + 1] = {0, 0, n, s, rest()}
  else
    last, stored = math.max(last + 1, now), true
    redis.call('HSET', KEYS[1], 'id', whole(last))
    redis.call('HSET', w.key, whole(last), ARGV[i])
    if key ~= '' then redis.call('HSET', w.key, 'k' .. key, whole(last)) end
    if older then redis.call('HDEL', w.key, older) end
    replaced = replaced + (older and 1 or 0)
    w.n, w.s, w.o, w.e = n + 1, s + size, math.min(w.o, at), math.min(w.e, ends)
    told[#told + 1] = {last, tonumber(older or 0), 0, 0, 0}
  end
end
save(w, age)
local nodes = {}
if stored then
  if redis.call('PTTL', w.key) < tonumber(ARGV[9]) then redis.call('PEXPIRE', w.key, ARGV[9]) end
  local claims = redis.call('HVALS', KEYS[4])
  for _, claim in ipairs(claims) do
    local node = string.match(claim, '^(%S+) ')
    if node and node ~= ARGV[11] and redis.call('EXISTS', ARGV[10] .. node) == 1 then nodes[#nodes + 1] = node end
  end
end
local messages, size = all()
return {messages, size, gone, replaced, nodes, told}
"""

_LOAD: Final = """
-- KEYS: …, waiting of the openid; ARGV: openid, wall, max_age
local w, gone = open(KEYS[3], ARGV[1]), 0
if w.n > 0 and not refused() then
  gone = expire(w, tonumber(ARGV[2]), tonumber(ARGV[3]))
  if gone > 0 then save(w, tonumber(ARGV[3])) end
end
local found, waiting = redis.call('HGETALL', w.key), {}
for i = 1, #found, 2 do
  if string.match(found[i], '^%d') then
    waiting[#waiting + 1] = found[i]
    waiting[#waiting + 1] = found[i + 1]
  end
end
local messages, size = all()
return {messages, size, gone, waiting}
"""

_DELETE: Final = """
-- KEYS: …, waiting of the openid; ARGV: openid, max_age, then ids
local why = refused()
if why then return why end
local w, gone = open(KEYS[3], ARGV[1]), 0
for i = 3, #ARGV do gone = gone + remove(w, ARGV[i]) end
if gone > 0 then save(w, tonumber(ARGV[2])) end
local messages, size = all()
return {messages, size, gone}
"""

_SWEEP: Final = """
-- KEYS: …; ARGV: prefix of waiting, wall, max_age, openids, of these to be painted
local why = refused()
if why then return why end
local due, gone = sweep(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
if ARGV[5] ~= '0' then
  local new = painting()
  local old = new == '0' and '1' or '0'
  local scan = redis.call('ZSCAN', KEYS[2], redis.call('HGET', KEYS[1], 'at') or '0', 'COUNT', ARGV[5])
  for i = 1, #scan[2], 2 do
    local w = open(ARGV[1] .. scan[2][i], scan[2][i])
    if w.n == 0 then redis.call('ZREM', KEYS[2], w.openid)
    elseif w.p ~= new then
      count(w.p, w.openid, -w.n, -w.s)
      count(new, w.openid, w.n, w.s)
      w.p = new
      save(w, tonumber(ARGV[3]))
    end
  end
  redis.call('HSET', KEYS[1], 'at', scan[1])
  if scan[1] == '0' then redis.call('HSET', KEYS[1], 'n' .. old, 0, 'b' .. old, 0, 'p', old) end
end
local messages, size = all()
return {messages, size, due, gone}
"""

PUT: Final = AtomicScript("put", _COMMON + _PUT)
LOAD: Final = AtomicScript("load", _COMMON + _LOAD)
DELETE: Final = AtomicScript("delete", _COMMON + _DELETE)
SWEEP: Final = AtomicScript("sweep", _COMMON + _SWEEP)
OF_STORE: Final = (PUT, LOAD, DELETE, SWEEP)
