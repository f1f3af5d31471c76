-- Shared by the scripts for feeds, after the prelude. A position is two numbers with a hyphen between: milliseconds, and
-- what tells those of one millisecond apart.

-- The time in milliseconds, and the rest of it in microseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), time[2] % 1000
end

-- Removes the entries before this position. A node that may no longer write refuses even that, and what it would have
-- answered is not believed.
local function trim(key, first)
  return refused(redis.pcall('XTRIM', key, 'MINID', first))
end

-- The first millisecond whose entries are not over, if they are kept so long.
local function horizon(at, keep)
  return math.max(at - keep + 1, 0)
end
