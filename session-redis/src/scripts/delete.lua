-- Ends a session, once however often it arrives.
-- KEYS: session, the owner's index if there is one. ARGV: grant, id of this end, how long a marker stays, locator.
-- Answers 1 if this ended it, 0 if there was none, 'read_only'.

local key, index, name, ender = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local at = clock()
local field = redis.pcall('HMGET', key, 'd', 'k', name)
if field.err then
  local marker = redis.pcall('GET', key)
  if type(marker) == 'string' and string.sub(marker, 1, 6) == 'ended ' then
    return fence(key) or {string.sub(marker, -#ender - 1) == ' ' .. ender and 1 or 0}
  end
end
local deadline = digits(field[1])
if not deadline or deadline <= at then
  return refused(redis.pcall('UNLINK', key)) or {0}
end
local mode, ends_at = right(name, field[3], deadline)
if not mode or ends_at <= at then
  return fence(key) or {0}
end
if mode == 'ro' then
  return fence(key) or {'read_only'}
end
-- The refusal of a node that may not write comes with its first write, and that is not the marker's: it needs memory.
local refusal = fence(key)
if refusal then
  return refusal
end
bury(key, field[2], ender, at, tonumber(ARGV[3]))
if index then
  redis.call('ZREM', index, ARGV[4])
end
return {1}
