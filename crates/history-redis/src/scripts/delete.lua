-- Removes a session with all its keys. Returns 1 if it is gone, and 0 if it was cleared since it was seen.
-- With conditions, returns 2 if it does not fulfil them, and 3 if that cannot be said: it is damaged.
-- ARGV: the deadline, the epoch seen, and the name of the session; then, if there are conditions, the
-- first time of its last use, the first one after, and labels.
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local is_unknown = damage or is_new and redis.call('EXISTS', messages, turns, ids, notes, branches) > 0
if ARGV[4] then
    if is_unknown then
        return 3
    end
    local is_used = used and used >= tonumber(ARGV[4]) and used < tonumber(ARGV[5])
    for at = 6, #ARGV, 2 do
        is_used = is_used and has_label(labels, ARGV[at], ARGV[at + 1])
    end
    if is_over or not is_used then
        return 2
    end
end
check_lists()
if not is_new or is_unknown then
    if tonumber(ARGV[2]) ~= epoch then
        return 0
    end
    local next_epoch = epoch + 1
    if is_unknown then
        -- The unknown epoch must not recur. Seconds since 1970 are more than any session was cleared.
        next_epoch = math.max(next_epoch, math.floor(now / 1000))
    end
    local least = tonumber(redis.call('GET', floor) or 0) or 0
    redis.call('SET', floor, whole(math.max(least, next_epoch)))
end
redis.call('ZREM', index, ARGV[3])
unlist(ARGV[3])
drop(ARGV[3])
redis.call('DEL', meta, lease)
return 1
