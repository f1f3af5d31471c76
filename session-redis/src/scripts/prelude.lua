-- Shared by all scripts, which follow it. Time is this server's alone, in milliseconds.

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A number that a field holds, if it holds one as this library writes it. Lua itself would read `nan` and `0x10` too.
local function digits(field)
  return tonumber(string.match(field or '', '^%d+$') or '')
end

local function whole(number)
  return string.format('%.0f', number)
end

-- The error that a command was refused with, its code first: 6.2 puts the script's line before it. While a slot moves, a
-- key that the script has just removed counts as moved already, and cannot be written again where it was.
local function refused(reply)
  if type(reply) == 'table' and reply.err then
    if string.find(reply.err, 'non local key', 1, true) then
      return redis.error_reply('TRYAGAIN the slot is moving')
    end
    return redis.error_reply((string.gsub(reply.err, '^@[^:]*: %d+: %-?', '')))
  end
end

-- The fields that were read, or none where something else than a session is. Or else why reading was refused.
local function fields(reply)
  if not reply.err then
    return reply
  end
  if string.find(reply.err, 'WRONGTYPE', 1, true) then
    return {}
  end
  return nil, refused(reply)
end

-- Writes nothing. A node that may no longer write refuses even that, and what it would have answered is not believed.
local function fence(key)
  local reply = redis.pcall('HDEL', key, '-')
  if type(reply) == 'table' and reply.err and not string.find(reply.err, 'WRONGTYPE', 1, true) then
    return refused(reply)
  end
end

-- What a grant allows, and until when. The owner needs none and is asked for with an empty name.
local function right(name, grant, deadline)
  if name == '' then
    return 'rw', deadline
  end
  local mode, ends_at = string.match(grant or '', '^(r[wo]):(%d+)')
  return mode, tonumber(ends_at)
end

-- What whoever may not write by such a right is answered, if that is so.
local function barred(key, mode, ends_at, at)
  if not mode or ends_at <= at then
    return fence(key) or {'absent'}
  end
  if mode == 'ro' then
    return fence(key) or {'read_only'}
  end
end

-- The marker of a session that ended lately, if that is what is there.
local function ended(key)
  local marker = redis.pcall('GET', key)
  return type(marker) == 'string' and string.sub(marker, 1, 6) == 'ended ' and marker
end

-- Whether it is this end that left the marker.
local function ended_by(marker, ender)
  return string.sub(marker, -#ender - 1) == ' ' .. ender
end

-- Lets a marker stay so long at least. It is written in any case: from 7.2 on, whoever waits for replicas waits for what
-- was written over the same connection, and for nothing else.
local function remain(key, stay, at)
  return refused(redis.pcall('PEXPIREAT', key, whole(at + math.max(redis.call('PTTL', key), stay))))
end

-- Begins the idle timeout anew. The key ends no later than the session. Once that is sooner than the idle timeout, its
-- end no longer tells when it was used last, and a field does: after a first write, which needs no memory, and before the
-- end is set. A server removes a key at once whose end has come by then, and what is written later would have none. Ends
-- are points in time, since a server may be stopped between two commands of a script.
local function slide(key, idle, deadline, at)
  if deadline - at >= idle then
    return refused(redis.pcall('PEXPIREAT', key, whole(at + idle)))
  end
  return fence(key)
    or refused(redis.pcall('HSET', key, 'l', whole(at)))
    or refused(redis.pcall('PEXPIREAT', key, whole(deadline)))
end

-- Ends a session. A marker stays while a creation of it that was delayed on its way could still arrive, and as long as
-- whoever ended it may ask again. It takes the session's place in one step: while a slot moves, a key that was removed
-- cannot be written again. The caller writes something else first, for which a server without memory has room.
local function bury(key, creation, ender, at, stay)
  local id, latest = string.match(creation or '', '^(%x+:%d+):(%d+)$')
  local left = math.max((tonumber(latest) or 0) - at, stay)
  if left > 0 then
    redis.call('SET', key, 'ended ' .. (id or '-') .. ' ' .. ender, 'PX', whole(left))
  else
    redis.call('UNLINK', key)
  end
end
