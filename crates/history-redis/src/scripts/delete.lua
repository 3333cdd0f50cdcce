-- Removes a session with all its keys. Returns 1 if it is gone, 0 if it was cleared since it was seen.
-- ARGV: the epoch seen, and the name of the session.
if not is_new then
    if tonumber(ARGV[1]) ~= epoch then
        return 0
    end
    local least = tonumber(redis.call('GET', floor) or 0)
    redis.call('SET', floor, whole(math.max(least, epoch + 1)))
end
redis.call('DEL', meta, messages, turns, ids, notes, lease)
redis.call('ZREM', index, ARGV[2])
return 1
