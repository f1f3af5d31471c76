-- Ends some of a principal's sessions, whatever they are.
-- KEYS: index, sessions. ARGV: how long markers stay, the sessions' locators.
-- Answers how many of them were live.

local index = KEYS[1]
local stay = tonumber(table.remove(ARGV, 1))
local at, live, creations = clock(), 0, {}
for each = 2, #KEYS do
  local field, unread = fields(redis.pcall('HMGET', KEYS[each], 'd', 'k'))
  if unread then
    return unread
  end
  if field[1] then
    creations[each] = field[2] or ''
    if (digits(field[1]) or 0) > at then
      live = live + 1
    end
  elseif stay > 0 and ended(KEYS[each]) then
    local refusal = remain(KEYS[each], stay, at)
    if refusal then
      return refusal
    end
  end
end
-- The first write is one that needs no memory, and their places in the index are the last to go.
local refusal = refused(redis.pcall('ZREM', index, '-'))
if refusal then
  return refusal
end
for each, creation in pairs(creations) do
  bury(KEYS[each], creation, '-', at, stay)
end
redis.call('ZREM', index, unpack(ARGV))
return {live}
