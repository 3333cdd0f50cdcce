-- Appends a turn, unless it is stored already. Returns whether the session is not as expected, and
-- its version.
-- ARGV: the deadline, the turn, the expectation (0 any, 1 the same epoch, 2 exactly), epoch, messages
-- and tip of the expected version, the lifetime in milliseconds or nothing, the turn without its
-- messages, the session's name, the turn's fingerprint, and the messages.
local turn, expect, seen_epoch, seen_count = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local seen_tip, lifetime, header, name = ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[9]
local turn_tip, first_part = ARGV[10], 11

local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local known = not is_over and redis.call('HGET', ids, turn)
if known then
    if stored(known) == nil or tonumber(known) > count then
        return redis.error_reply('CORRUPT the end of a turn cannot be decoded')
    end
    return {0, epoch, tonumber(known), turn_tip}
end
-- A caller that saw an empty session accepts one that began since, unless it was cleared.
local saw_nothing = seen_count == 0 and not is_cleared and seen_epoch <= epoch
local is_stale = expect > 0 and seen_epoch ~= epoch and not saw_nothing
    or expect > 0 and seen_count > count
    or expect == 2 and seen_count ~= count
    -- A session that was replaced has another turn there.
    or expect > 0 and seen_count > 0 and seen_tip ~= '' and tip_at(seen_count) ~= seen_tip
if is_stale then
    return {1, epoch, count, tip_at(count)}
end
local size = #ARGV - first_part + 1
if size == 0 then
    return {0, epoch, count, tip_at(count)}
end
-- A full server refuses the first writing command, and so does an index of another type, so that
-- nothing is half done.
redis.call('ZADD', index, 0, name)
if is_over then
    redis.call('DEL', messages, turns, ids, notes)
    redis.call('HDEL', meta, 'notes')
end
redis.call('RPUSH', turns, whole(count) .. ' ' .. size .. ' ' .. header)
for from = first_part, #ARGV, 1000 do
    redis.call('RPUSH', messages, unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
count = count + size
redis.call('HSET', ids, turn, whole(count))
if count == size then
    redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', whole(count))
else
    redis.call('HSET', meta, 'messages', whole(count))
end
live(lifetime)
return {0, epoch, count, turn_tip}
