-- Forgets all feeds of an owner as they are now, and rings whoever follows one of them. Entries that were not added after
-- this forgetting are as good as gone.
-- KEYS: what tells entries that are forgotten. ARGV: id of this forgetting, how long entries are kept.

local key, id, keep = KEYS[1], ARGV[1], ARGV[2]
-- The refusal of a node that may not write comes with its first write, and that is not the one that needs memory.
local refusal = refused(redis.pcall('PEXPIREAT', key, whole(now() + keep)))
if refusal then
  return refusal
end
redis.call('SET', key, id, 'PX', keep)
redis.call('PUBLISH', key, '')
return {}
