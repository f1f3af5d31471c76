-- Creates a session, once however often it arrives.
-- KEYS: session; for a principal their index, then the sessions that may go for it.
-- ARGV: id of this creation, the latest time for it, absolute lifetime, idle timeout, how many keys the server may hold
--   or '', locator; for a principal the limits (sessions, interval and tolerance of the rate or '', idleness for making
--   room); '1' if the directory is set; then fields (count; name, value), grants (count; name, mode, lifetime, label),
--   then the locators of those who may go.
-- Answers 'ok', time, and who went: locator and why ('live', 'idle' or the deadline); or why not.

local DAY = 24 * 60 * 60 * 1000

local key, index, id, latest = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local absolute, idle, room, locator = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local at = clock()

local there, unread = fields(redis.pcall('HMGET', key, 'd', 'k', 'c'))
if unread then
  return unread
end
if (digits(there[1]) or 0) > at then
  local own = string.sub(there[2] or '', 1, #id + 1) == id .. ':'
  return fence(key) or (own and {'own', tonumber(there[3])}) or {'exists'}
end
local marker = not there[1] and ended(key)
if marker and string.sub(marker, 1, #id + 7) == 'ended ' .. id .. ' ' then
  return fence(key) or {'ended'}
end
if at > latest then
  return fence(key) or {'late', at}
end

local deadline = at + absolute
local add, gone, buried = {}, {}, {}
local fields_from = 12
local victims_from = fields_from + 2 + 2 * tonumber(ARGV[fields_from])
victims_from = victims_from + 4 * tonumber(ARGV[victims_from - 1])

if index then
  local cap, interval, tolerance = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
  add = {'ZADD', index, whole(deadline), locator}
  local last = redis.call('ZSCORE', index, 'rate')
  local held = redis.call('ZCARD', index) - (last and 1 or 0)
  if interval then
    local arrival = math.max(tonumber(last or 0), at)
    if arrival > at + tolerance + interval then
      -- No admission led there: the clock was set back, or the rate was another.
      arrival = at
    end
    if arrival - tolerance > at then
      return fence(key) or {'rate', arrival - tolerance - at}
    end
    add[#add + 1] = whole(arrival + interval)
    add[#add + 1] = 'rate'
  end

  local function leave(locator, why)
    held = held - 1
    gone[#gone + 1] = locator
    gone[#gone + 1] = why
  end
  local function why_expired(score)
    return tonumber(score) <= at and whole(score) or 'idle'
  end
  local before = redis.call('ZSCORE', index, locator)
  if before then
    leave(locator, why_expired(before))
  end
  for victim = 3, #KEYS do
    local locator = ARGV[victims_from + victim - 3]
    local score = redis.call('ZSCORE', index, locator)
    if score then
      local field, unread = fields(redis.pcall('HMGET', KEYS[victim], 'd', 'i', 'l', 'k'))
      if unread then
        return unread
      end
      local idle = field[3] and at - field[3] or (tonumber(field[2]) or 0) - redis.call('PTTL', KEYS[victim])
      local is_live = (digits(field[1]) or 0) > at
      -- A live one stays if there is room by now. Of all sessions, it alone makes room.
      if not is_live or (held >= cap and idle >= tonumber(ARGV[10])) then
        leave(locator, is_live and 'live' or why_expired(score))
        buried[victim] = field[1] and (field[4] or '')
        room = is_live and '' or room
      end
    end
  end
  -- One leaves for each who comes, also where there are more than there may be since the limit was lowered.
  if held >= cap and #gone == 0 then
    return fence(key) or {'cap'}
  end
end
if room ~= '' and redis.call('DBSIZE') >= tonumber(room) then
  return fence(key) or {'crowded'}
end

local set = {'HSET', key, 'f', '1', 'c', whole(at), 'd', whole(deadline), 'i', ARGV[4], 'v', '1', 'k', id .. ':' .. ARGV[2]}
local function put(name, value)
  set[#set + 1] = name
  set[#set + 1] = value
end
if ARGV[11] == '1' then
  put('set', whole(at))
end
for field = fields_from + 1, fields_from + 2 * tonumber(ARGV[fields_from]), 2 do
  put(ARGV[field], ARGV[field + 1])
end
local grants_from = fields_from + 1 + 2 * tonumber(ARGV[fields_from])
for grant = grants_from + 1, victims_from - 1, 4 do
  local ends_at = at + tonumber(ARGV[grant + 2])
  put(ARGV[grant], ARGV[grant + 1] .. ':' .. whole(ends_at) .. ':' .. ARGV[grant + 3])
end

-- What needs memory comes first: a server without any refuses the first write of a script and none after it.
if redis.call('EXISTS', key) == 1 then
  local refusal = refused(redis.pcall('UNLINK', key))
  if refusal then
    return refusal
  end
end
local refusal = refused(redis.pcall(unpack(set)))
if refusal then
  return refusal
end
refusal = slide(key, idle, deadline, at)
if refusal then
  return refusal
end
if index then
  for victim, creation in pairs(buried) do
    bury(KEYS[victim], creation, '-', at, 0)
  end
  -- What is added comes first: an index that becomes empty is removed, and while its slot moves not to be written again.
  redis.call(unpack(add))
  for went = 1, #gone, 2 do
    if gone[went] ~= locator then
      redis.call('ZREM', index, gone[went])
    end
  end
  redis.call('ZREMRANGEBYSCORE', index, '-inf', whole(at - DAY))
  local stay = math.max(tonumber(add[3]), tonumber(add[5] or 0)) - at + DAY
  if redis.call('PTTL', index) < stay then
    redis.call('PEXPIREAT', index, whole(at + stay))
  end
end
return {'ok', at, unpack(gone)}
