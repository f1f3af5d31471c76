-- Says what time it is and how much of a session's idle timeout is left; for a touch begins it anew, if the grant may do
-- that and the session's format is known. Whoever knows the session says by which creation and which writes, and gets
-- what it holds only if that is not how it is. To all others it is read by the command that follows in the same
-- round trip, which costs the server less.
-- KEYS: session. ARGV: grant, 'touch' or 'peek', creation that is known or '', writes that are known.
-- Answers the time, what was left (-2: nothing is there), and 1 if it began anew; to whoever knows the session also
-- when it was used last, where its end does not tell, or '', and its fields if they are others.

local key, name, creation, writes = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
local at = clock()
local field, unread = fields(redis.pcall('HMGET', key, 'd', 'i', 'f', name, 'k', 'w', 'l'))
if unread then
  return unread
end
local deadline = digits(field[1])
if not deadline or deadline <= at then
  -- Where something is there all the same, whoever reads it finds out what.
  local rest = creation ~= '' and field[1] and redis.call('HGETALL', key) or nil
  return fence(key) or {at, -2, 0, rest and '', rest}
end
local left = redis.call('PTTL', key)
local mode, ends_at = right(name, field[4], deadline)
local is_known = digits(field[3]) == 1
local idle = is_known and digits(field[2])
local answer = {at, left, 0}
local refusal
if ARGV[2] == 'touch' and mode == 'rw' and ends_at > at and idle then
  answer[3] = 1
  refusal = slide(key, idle, deadline, at)
else
  refusal = fence(key)
end
if creation ~= '' then
  answer[4] = field[7] or ''
  if not (is_known and (name == '' or field[4]) and field[5] == creation and (field[6] or '') == writes) then
    answer[5] = redis.call('HGETALL', key)
  end
end
return refusal or answer
