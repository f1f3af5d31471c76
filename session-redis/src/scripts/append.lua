-- Adds an entry to a feed, once however often it arrives, and rings whoever follows the feed.
-- KEYS: feed, what is known of this writing, what tells entries that are forgotten.
-- ARGV: entry, how long a writing is known, limits (entries, bytes, milliseconds).
-- Answers the position of the entry, and of the one before it or 0-0.
--
-- An entry holds how many bytes were added up to its own (t), how many of them were before the first one that is left, as
-- far as was known (f), after which forgetting it was added (g), and what it says (d). At least t - f are left.

local key, writing, forgetting, entry = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local max_bytes, keep = tonumber(ARGV[4]), tonumber(ARGV[5])
local at, part = now()
local oldest = horizon(at, keep)

local done = redis.call('GET', writing)
if done then
  local written, after = string.match(done, '^(%S+) (%S+)$')
  return trim(key, whole(oldest)) or {written, after}
end

local forgotten = redis.call('GET', forgetting) or ''
local last = redis.pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)
if last.err then
  return refused(last)
end
last = last[1]

-- The number in a field of an entry, in the order in which they are written.
local function number(item, place)
  return digits(item[2][2 * place]) or 0
end

-- What has to go is looked for first and goes last: a server without memory refuses the first write of a script alone.
local total, gone, after, first = #entry, 0, '0-0', whole(oldest)
if last and last[2][6] ~= forgotten then
  first = nil
elseif last then
  total, gone = total + number(last, 1), number(last, 2)
  if tonumber(string.match(last[1], '^%d+')) >= oldest then
    after = last[1]
  end
  local from = first
  while first and total - gone > max_bytes do
    local item = redis.call('XRANGE', key, from, '+', 'COUNT', 1)[1]
    if item then
      gone, first, from = number(item, 1) - #(item[2][8] or ''), item[1], '(' .. item[1]
    else
      gone, first = total - #entry, nil
    end
  end
end

local function add(id)
  return redis.pcall('XADD', key, 'MAXLEN', ARGV[3], id, 't', whole(total), 'f', whole(gone), 'g', forgotten, 'd', entry)
end
-- What is added after all was forgotten comes after what was there, also in the same millisecond.
local id = add(whole(at) .. '-' .. part)
if type(id) == 'table' and string.find(id.err, 'equal or smaller', 1, true) then
  -- The clock was set back.
  id = add('*')
end
if type(id) == 'table' then
  return refused(id)
end
redis.call('XTRIM', key, 'MINID', first or id)
redis.call('PEXPIREAT', key, whole(at + keep))
if forgotten ~= '' then
  remain(forgetting, keep, at)
end
redis.call('SET', writing, id .. ' ' .. after, 'PX', ARGV[2])
redis.call('PUBLISH', key, '')
return {id, after}
