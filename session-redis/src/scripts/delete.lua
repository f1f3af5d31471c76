-- Ends a session, once however often it arrives.
-- KEYS: session, the owner's index if there is one. ARGV: grant, id of this end, how long a marker stays, locator.
-- Answers 'ended', 'absent' or 'read_only'.

local key, index, name, ender = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local at = clock()
local field, unread = fields(redis.pcall('HMGET', key, 'd', 'k', name))
if unread then
  return unread
end
local deadline = digits(field[1])
local marker = not deadline and ended(key)
if marker then
  return remain(key, tonumber(ARGV[3]), at) or {ended_by(marker, ender) and 'ended' or 'absent'}
end
if not deadline or deadline <= at then
  return refused(redis.pcall('UNLINK', key)) or {'absent'}
end
local mode, ends_at = right(name, field[3], deadline)
local answer = barred(key, mode, ends_at, at)
if answer then
  return answer
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
return {'ended'}
