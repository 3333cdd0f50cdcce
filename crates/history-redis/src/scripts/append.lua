-- Appends a turn, unless it is there. Answers whether the session is not as expected, and its version.
-- ARGV: turn, what is expected (0 nothing, 1 the epoch, 2 epoch and messages), epoch and messages seen, lifetime in milliseconds
-- or nothing, what is kept of the turn beside its messages, the session's name, and the messages.
local turn, expect, seen_epoch, seen_count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lifetime, header, name, first_part = tonumber(ARGV[5]), ARGV[6], ARGV[7], 8

local known = not is_over and redis.call('HGET', ids, turn)
if known then
    return {0, epoch, tonumber(known)}
end
-- Whoever saw nothing expects nothing of a session that was begun since, unless it was emptied.
local saw_nothing = seen_count == 0 and not is_cleared and seen_epoch <= epoch
local is_stale = expect > 0 and seen_epoch ~= epoch and not saw_nothing
    or expect > 0 and seen_count > count
    or expect == 2 and seen_count ~= count
if is_stale then
    return {1, epoch, count}
end
local size = #ARGV - first_part + 1
if size == 0 then
    return {0, epoch, count}
end
if is_over then
    redis.call('DEL', messages, turns, ids, notes)
end
-- The first writing command is one that a full server refuses, so that nothing is half done.
redis.call('RPUSH', turns, whole(count) .. ' ' .. size .. ' ' .. header)
for from = first_part, #ARGV, 1000 do
    redis.call('RPUSH', messages, unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
count = count + size
redis.call('HSET', ids, turn, whole(count))
redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', whole(count))
redis.call('ZADD', index, 0, name)
live(lifetime)
return {0, epoch, count}
