-- Merges a change into a session, all of it or nothing, once however often it arrives.
-- KEYS: session.
-- ARGV: grant, expected version or '', writer, number of the write, version that the writer knew, a limit that the
--   change alone is over or '', limits (grants, names, bytes); then for directory, config path and project an edit and
--   a value; then state edits (count; name, edit, value); then grants (count; name, edit, lifetime or '', label).
--   An edit is 'k' (keep), 's' (set) or 'r' (remove); that of a grant is 'rw', 'ro' or 'r'.
-- Answers 'ok', version, time, end of the right used, idle timeout; or why not.

local WRITERS = 32

local key, name, expected, writer, number = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local known, over = tonumber(ARGV[5]), ARGV[6]
local max_grants, max_names, max_bytes = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local texts, edits = {'dir', 'cfg', 'prj'}, tonumber(ARGV[16])
local grants_from = 17 + 3 * edits
local at = clock()

local read = {'HMGET', key, 'd', 'f', 'v', 'w', 'i', 'b', 'n', name, 'dir', 'cfg', 'prj'}
for edit = 0, edits - 1 do
  read[#read + 1] = 'u:' .. ARGV[17 + 3 * edit]
end
local field, unread = fields(redis.pcall(unpack(read)))
if unread then
  return unread
end
local deadline, version = digits(field[1]), digits(field[3])
if not deadline or deadline <= at then
  return fence(key) or {'absent'}
end
if digits(field[2]) ~= 1 then
  return fence(key) or {'newer'}
end
local idle, bytes, names = digits(field[5]), digits(field[6]), digits(field[7])
if not (version and idle and bytes and names) then
  return fence(key) or {'corrupt'}
end
-- Each writer's last write is remembered, for as many writers as write. One that arrives again is answered before its
-- right is looked at, which it may have taken away itself.
local mode, ends_at = right(name, field[8], deadline)
local writers = field[4] or ''
local last, led_to, done_at = string.match(writers, writer .. ':(%d+):(%d+):(%d+);')
if last == number then
  return fence(key) or {'ok', tonumber(led_to), tonumber(done_at), ends_at or deadline, idle}
end
local answer = barred(key, mode, ends_at, at)
if answer then
  return answer
end

-- What is not remembered was not applied, unless everyone who is remembered wrote after what this writer knew: then it
-- may have been forgotten for the others.
local _, remembered = string.gsub(writers, ';', ';')
local oldest = tonumber(string.match(writers, '^%x+:%d+:(%d+):')) or math.huge
local forgotten = not last and remembered >= WRITERS and oldest > known
if forgotten or (last and tonumber(last) > tonumber(number)) or version < known then
  return fence(key) or {'stale', version}
end
if expected ~= '' and tonumber(expected) ~= version then
  return fence(key) or {'conflict', version}
end
if over ~= '' then
  return fence(key) or {'over', over}
end

local set, remove = {'HSET', key}, {'HDEL', key}
local function put(name, value)
  set[#set + 1] = name
  set[#set + 1] = value
end

local held, left = 0, 0
if tonumber(ARGV[grants_from]) > 0 then
  local grants = {}
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 2) == 'g:' then
      held = held + 1
      local _, ends_at = right(name, redis.call('HGET', key, name))
      grants[name] = (ends_at or 0) > at and 'kept' or 'ended'
    end
  end
  for grant = grants_from + 1, #ARGV, 4 do
    local name, mode, lifetime, label = 'g:' .. ARGV[grant], ARGV[grant + 1], ARGV[grant + 2], ARGV[grant + 3]
    if mode == 'r' then
      grants[name] = grants[name] and 'ended'
    else
      local latest = lifetime == '' and ends_at or math.min(at + tonumber(lifetime), ends_at)
      grants[name] = 'kept'
      put(name, mode .. ':' .. whole(latest) .. ':' .. label)
    end
  end
  for name, fate in pairs(grants) do
    if fate == 'ended' then
      remove[#remove + 1] = name
    else
      left = left + 1
    end
  end
end
if left > max_grants and left > held then
  return fence(key) or {'over', 'grants'}
end

local bytes_after, names_after = bytes, names
for edit = 0, edits - 1 do
  local name, fate, value = ARGV[17 + 3 * edit], ARGV[18 + 3 * edit], ARGV[19 + 3 * edit]
  local before = field[12 + edit]
  if string.sub(name, 1, 1) ~= '.' then
    if before then
      bytes_after, names_after = bytes_after - #name - #before, names_after - 1
    end
    if fate == 's' then
      bytes_after, names_after = bytes_after + #name + #value, names_after + 1
    end
  end
  if fate == 's' then
    put('u:' .. name, value)
  elseif before then
    remove[#remove + 1] = 'u:' .. name
  end
end
if names_after > max_names and names_after > names then
  return fence(key) or {'over', 'names'}
end
for index, text in ipairs(texts) do
  local fate, value, before = ARGV[8 + 2 * index], ARGV[9 + 2 * index], field[8 + index] or ''
  if fate == 's' then
    bytes_after = bytes_after - #before + #value
    put(text, value)
  elseif fate == 'r' then
    bytes_after = bytes_after - #before
    remove[#remove + 1] = text
  end
end
if bytes_after > max_bytes and bytes_after > bytes then
  return fence(key) or {'over', 'bytes'}
end
if ARGV[10] == 's' then
  put('set', whole(at))
elseif ARGV[10] == 'r' then
  remove[#remove + 1] = 'set'
end

writers = string.gsub(writers, writer .. ':[^;]*;', '', 1)
if not last and remembered >= WRITERS then
  writers = string.gsub(writers, '^[^;]*;', '', 1)
end
version = version + 1
put('v', whole(version))
put('w', writers .. writer .. ':' .. number .. ':' .. whole(version) .. ':' .. whole(at) .. ';')
if bytes_after ~= bytes then
  put('b', whole(bytes_after))
end
if names_after ~= names then
  put('n', whole(names_after))
end

-- What needs memory comes first: a server without any refuses the first write of a script and none after it.
local refusal = refused(redis.pcall(unpack(set)))
if refusal then
  return refusal
end
if #remove > 2 then
  redis.call(unpack(remove))
end
return slide(key, idle, deadline, at) or {'ok', version, at, ends_at, idle}
