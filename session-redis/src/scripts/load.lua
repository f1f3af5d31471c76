-- Says what time it is and how much of a session's idle timeout is left; for a touch begins it anew, if the grant may do
-- that and the session's format is known. What the session holds is read by the command that follows in the same round
-- trip.
-- KEYS: session. ARGV: grant, 'touch' or 'peek'.
-- Answers the time, what was left (-2: nothing is there), and 1 if it began anew.

local key, name = KEYS[1], ARGV[1]
local at = clock()
local field, unread = fields(redis.pcall('HMGET', key, 'd', 'i', 'f', name))
if unread then
  return unread
end
local deadline = digits(field[1])
if not deadline or deadline <= at then
  return fence(key) or {at, -2, 0}
end
local left = redis.call('PTTL', key)
local mode, ends_at = right(name, field[4], deadline)
local idle = digits(field[3]) == 1 and digits(field[2])
if ARGV[2] == 'touch' and mode == 'rw' and ends_at > at and idle then
  return slide(key, idle, deadline, at) or {at, left, 1}
end
return fence(key) or {at, left, 0}
