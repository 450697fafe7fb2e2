"""Lua scripts, which the store runs atomically and by its own clock. They return fractions as text."""

_NOW = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000 + tonumber(ARGV[#ARGV])
local function text(number) return string.format('%.6f', number) end
local function exact(number) return string.format('%.17g', number) end
"""

# The generic cell rate algorithm (GCRA): one number per bucket, the time at which its next permit is due.
# Arguments: rate, window, wanted, forced (grant all, available or not), process id.
# Returns: permits granted, seconds until the next, number of processes active in the last minute.
ACQUIRE = (
    _NOW
    + """
local rate, wanted = tonumber(ARGV[1]), tonumber(ARGV[3])
local window = math.max(tonumber(ARGV[2]), 1 / rate)
local due = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now - window)
local available = math.max(0, math.floor((now - due) * rate + 0.000001))
local number = ARGV[4] == '1' and wanted or math.min(wanted, available)
due = due + number / rate
redis.call('SET', KEYS[1], exact(due), 'EX', 86400)
redis.call('ZADD', KEYS[2], now, ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60)
redis.call('EXPIRE', KEYS[2], 120)
return {number, text(math.max(0, due + 1 / rate - now)), redis.call('ZCARD', KEYS[2])}
"""
)

# Arguments: rate, number, longest wait. Returns: seconds until the first reserved permit.
RESERVE = (
    _NOW
    + """
local at = math.min(math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now), now + tonumber(ARGV[3]))
redis.call('SET', KEYS[1], exact(at + tonumber(ARGV[2]) / tonumber(ARGV[1])), 'EX', 86400)
return text(at - now)
"""
)

_RECOVERED = """
local function recovered(value, doubles)
  local rate, at = string.match(value, '^(%S+) (%S+)$')
  return tonumber(rate) * 2 ^ (math.max(0, now - tonumber(at)) / doubles), now - tonumber(at)
end
"""

# Arguments: name, first rate, floor, ceiling, seconds to double, seconds to ignore further complaints.
# Returns: the new rate.
THROTTLE = (
    _NOW
    + _RECOVERED
    + """
local was = redis.call('HGET', KEYS[1], ARGV[1])
local rate = tonumber(ARGV[2])
if was then
  local before, age = recovered(was, tonumber(ARGV[5]))
  if age < tonumber(ARGV[6]) then return text(before) end
  if before < tonumber(ARGV[4]) then rate = math.max(tonumber(ARGV[3]), before / 2) end
end
redis.call('HSET', KEYS[1], ARGV[1], exact(rate) .. ' ' .. exact(now))
redis.call('EXPIRE', KEYS[1], 86400)
return text(rate)
"""
)

# Arguments: seconds to double, ceiling. Returns: name, rate, name, rate, ...; deletes those that have recovered.
THROTTLED = (
    _NOW
    + _RECOVERED
    + """
local all, throttled = redis.call('HGETALL', KEYS[1]), {}
for n = 1, #all, 2 do
  local rate = recovered(all[n + 1], tonumber(ARGV[1]))
  if rate < tonumber(ARGV[2]) then
    throttled[#throttled + 1] = all[n]
    throttled[#throttled + 1] = text(rate)
  else
    redis.call('HDEL', KEYS[1], all[n])
  end
end
return throttled
"""
)

UNKNOWN = -1_000_000_000
# Arguments: wanted, first day's limit, start day, growth, permits counted locally, used so far (-1: not known).
# Returns: permits granted, seconds until tomorrow; or UNKNOWN and when today began, if the store lost its count.
QUOTA = (
    _NOW
    + f"""
local wanted, so_far, day = tonumber(ARGV[1]), tonumber(ARGV[6]), math.floor(now / 86400)
local known = tonumber(redis.call('HGET', KEYS[1], 'day'))
if not known and so_far < 0 then return {{{UNKNOWN}, text(day * 86400)}} end
local used = 0
if not known then used = so_far elseif known == day then used = tonumber(redis.call('HGET', KEYS[1], 'used')) end
used = used + tonumber(ARGV[5])
local limit = tonumber(ARGV[2]) * tonumber(ARGV[4]) ^ math.max(0, day - tonumber(ARGV[3]))
local number = math.max(math.min(wanted, math.floor(math.min(limit, 1000000000)) - used), math.min(wanted, 0))
redis.call('HSET', KEYS[1], 'day', day, 'used', exact(math.max(0, used + number)))
redis.call('EXPIRE', KEYS[1], 259200)
return {{number, text((day + 1) * 86400 - now)}}
"""
)

# Arguments: first wait, longest wait. Returns: seconds to wait.
BACK_OFF = (
    _NOW
    + """
local was = redis.call('GET', KEYS[1])
local ends_at, times = 0, 0
if was then
  local a, b = string.match(was, '^(%S+) (%S+)$')
  ends_at, times = tonumber(a), tonumber(b)
end
if ends_at > now then return text(ends_at - now) end
local seconds = math.min(tonumber(ARGV[1]) * 2 ^ times, tonumber(ARGV[2]))
redis.call('SET', KEYS[1], exact(now + seconds) .. ' ' .. (times + 1), 'EX', math.ceil(2 * seconds + 60))
return text(seconds)
"""
)

# Returns: the seconds that remain of the backoff; 0 if there is none.
BACKOFF_REMAINING = (
    _NOW
    + """
local was = redis.call('GET', KEYS[1])
if not was then return '0' end
return text(math.max(0, tonumber(string.match(was, '^(%S+)')) - now))
"""
)

RESET = "return redis.call('DEL', KEYS[1])"
