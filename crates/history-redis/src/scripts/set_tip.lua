-- Moves the tip of a session to a point. Returns whether the session is not as expected, and its
-- version.
-- ARGV: the deadline, the point, the expectation (0 any, 1 the same epoch, 2 exactly), epoch, messages
-- and tip of the expected version, the lifetime in milliseconds or nothing, and the session's name.
local point, expect, seen_epoch, seen_count = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local path, tip = path_to(point), path_to('')
if is_stale(tip, expect, seen_epoch, seen_count, ARGV[6]) then
    return {1, epoch, tip.messages, tip_at(tip, tip.messages)}
end
if not is_same(path, tip) then
    redis.call('ZADD', index, 0, ARGV[8])
    grow()
    redis.call('HSET', meta, 'head', whole(path.head.number), 'turns', whole(path.turns), 'messages',
        whole(path.messages), 'tip', path.tip or '')
    count = path.messages
    live(tonumber(ARGV[7]), ARGV[8])
end
return {0, epoch, path.messages, path.tip or ''}
