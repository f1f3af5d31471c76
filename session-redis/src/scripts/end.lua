-- Ends some of a principal's sessions, whatever they are.
-- KEYS: index, sessions. ARGV: their locators.
-- Answers how many of them were live.

local index = KEYS[1]
local refusal = refused(redis.pcall('ZREM', index, unpack(ARGV)))
if refusal then
  return refusal
end
local at, ended = clock(), 0
for each = 2, #KEYS do
  local field = redis.pcall('HMGET', KEYS[each], 'd', 'k')
  if not field.err and field[1] then
    if (digits(field[1]) or 0) > at then
      ended = ended + 1
    end
    bury(KEYS[each], field[2], '-', at, 0)
  end
end
return {ended}
