"""What the store does in one step. Its own clock is used everywhere; numbers with a fraction come back as text."""

_NOW = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000 + tonumber(ARGV[#ARGV])
local function text(number) return string.format('%.6f', number) end
local function kept(number) return string.format('%.17g', number) end
"""

# The generic cell rate algorithm: one number per bucket, the moment from which its next piece is due.
# rate, window, wanted, forced (then all of `wanted` is counted, be it there or not), who -> granted, wait, who else
ACQUIRE = (
    _NOW
    + """
local rate, wanted = tonumber(ARGV[1]), tonumber(ARGV[3])
local window = math.max(tonumber(ARGV[2]), 1 / rate)
local due = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now - window)
local there = math.max(0, math.floor((now - due) * rate + 0.000001))
local number = ARGV[4] == '1' and wanted or math.min(wanted, there)
due = due + number / rate
redis.call('SET', KEYS[1], kept(due), 'EX', 86400)
redis.call('ZADD', KEYS[2], now, ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60)
redis.call('EXPIRE', KEYS[2], 120)
return {number, text(math.max(0, due + 1 / rate - now)), redis.call('ZCARD', KEYS[2])}
"""
)

# rate, number, longest -> seconds until the first one's turn
RESERVE = (
    _NOW
    + """
local at = math.min(math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now), now + tonumber(ARGV[3]))
redis.call('SET', KEYS[1], kept(at + tonumber(ARGV[2]) / tonumber(ARGV[1])), 'EX', 86400)
return text(at - now)
"""
)

_GROWN = """
local function grown(value, doubles)
  local rate, at = string.match(value, '^(%S+) (%S+)$')
  return tonumber(rate) * 2 ^ (math.max(0, now - tonumber(at)) / doubles), now - tonumber(at)
end
"""

# name, first, floor, ceiling, doubles, deaf -> rate
THROTTLE = (
    _NOW
    + _GROWN
    + """
local was = redis.call('HGET', KEYS[1], ARGV[1])
local rate = tonumber(ARGV[2])
if was then
  local before, age = grown(was, tonumber(ARGV[5]))
  if age < tonumber(ARGV[6]) then return text(before) end
  if before < tonumber(ARGV[4]) then rate = math.max(tonumber(ARGV[3]), before / 2) end
end
redis.call('HSET', KEYS[1], ARGV[1], kept(rate) .. ' ' .. kept(now))
redis.call('EXPIRE', KEYS[1], 86400)
return text(rate)
"""
)

# doubles, ceiling -> name, rate, name, rate, ...; what has recovered is forgotten
THROTTLED = (
    _NOW
    + _GROWN
    + """
local all, told = redis.call('HGETALL', KEYS[1]), {}
for n = 1, #all, 2 do
  local rate = grown(all[n + 1], tonumber(ARGV[1]))
  if rate < tonumber(ARGV[2]) then
    told[#told + 1] = all[n]
    told[#told + 1] = text(rate)
  else
    redis.call('HDEL', KEYS[1], all[n])
  end
end
return told
"""
)

UNKNOWN = -1_000_000_000
# wanted, first, start day, growth, counted elsewhere, so far (-1: not known) -> granted, seconds until tomorrow;
# UNKNOWN and the second at which today began when the store has to be told
QUOTA = (
    _NOW
    + f"""
local wanted, so_far, day = tonumber(ARGV[1]), tonumber(ARGV[6]), math.floor(now / 86400)
local known = tonumber(redis.call('HGET', KEYS[1], 'day'))
if not known and so_far < 0 then return {{{UNKNOWN}, text(day * 86400)}} end
local used = 0
if not known then used = so_far elseif known == day then used = tonumber(redis.call('HGET', KEYS[1], 'used')) end
used = used + tonumber(ARGV[5])
local most = tonumber(ARGV[2]) * tonumber(ARGV[4]) ^ math.max(0, day - tonumber(ARGV[3]))
local number = math.max(math.min(wanted, math.floor(math.min(most, 1000000000)) - used), math.min(wanted, 0))
redis.call('HSET', KEYS[1], 'day', day, 'used', kept(math.max(0, used + number)))
redis.call('EXPIRE', KEYS[1], 259200)
return {{number, text((day + 1) * 86400 - now)}}
"""
)

# first, longest -> seconds
BACK_OFF = (
    _NOW
    + """
local was = redis.call('GET', KEYS[1])
local till, times = 0, 0
if was then
  local a, b = string.match(was, '^(%S+) (%S+)$')
  till, times = tonumber(a), tonumber(b)
end
if till > now then return text(till - now) end
local seconds = math.min(tonumber(ARGV[1]) * 2 ^ times, tonumber(ARGV[2]))
redis.call('SET', KEYS[1], kept(now + seconds) .. ' ' .. (times + 1), 'EX', math.ceil(2 * seconds + 60))
return text(seconds)
"""
)

# -> seconds left, 0 when it is not left alone
BACKOFF_REMAINING = (
    _NOW
    + """
local was = redis.call('GET', KEYS[1])
if not was then return '0' end
return text(math.max(0, tonumber(string.match(was, '^(%S+)')) - now))
"""
)

RESET = "return redis.call('DEL', KEYS[1])"
