-- Ends some of a principal's sessions, whatever they are, once however often it arrives.
-- KEYS: index, sessions. ARGV: id of this end, how long markers stay, the sessions' locators.
-- Answers how many of them were live.

local index = KEYS[1]
local ender, stay = table.remove(ARGV, 1), tonumber(table.remove(ARGV, 1))
local at, live, there = clock(), 0, {}
for each = 2, #KEYS do
  local field, unread = fields(redis.pcall('HMGET', KEYS[each], 'd', 'k'))
  if unread then
    return unread
  end
  local marker = not field[1] and ended(KEYS[each])
  if field[1] then
    local is_live = (digits(field[1]) or 0) > at
    there[each] = {field[2] or '', is_live and ender or '-'}
    live = live + (is_live and 1 or 0)
  elseif marker then
    local refusal = remain(KEYS[each], stay, at)
    if refusal then
      return refusal
    end
    live = live + (ended_by(marker, ender) and 1 or 0)
  end
end
-- The first write is one that needs no memory, and their places in the index are the last to go.
local refusal = refused(redis.pcall('ZREM', index, '-'))
if refusal then
  return refusal
end
for each, session in pairs(there) do
  bury(KEYS[each], session[1], session[2], at, stay)
end
redis.call('ZREM', index, unpack(ARGV))
return {live}
