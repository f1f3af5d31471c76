-- Lets go what is over in a feed. What is left is read by the command that follows in the same round trip.
-- KEYS: feed. ARGV: how long entries are kept, and 'last' if only the last one is asked for.
-- Answers the last entry, without what it says, if that was asked for and there is one.

local key, at = KEYS[1], now()
local refusal = trim(key, whole(horizon(at, tonumber(ARGV[1]))))
if refusal then
  return refusal
end
local last = ARGV[2] == 'last' and redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
if last then
  last[2][8] = ''
end
return {last or nil}
