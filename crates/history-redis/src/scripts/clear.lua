-- Clears a session and starts an epoch, unless it was cleared since it was seen.
-- ARGV: the epoch seen, the session's name, and the lifetime in milliseconds or nothing.
if tonumber(ARGV[1]) ~= epoch then
    return 0
end
redis.call('HSET', meta, 'epoch', whole(epoch + 1), 'cleared', 1, 'messages', 0)
redis.call('HDEL', meta, 'expires', 'notes')
redis.call('PERSIST', meta)
redis.call('DEL', messages, turns, ids, notes)
redis.call('ZREM', index, ARGV[2])
if tonumber(ARGV[3]) then
    redis.call('PEXPIREAT', meta, whole(now + tonumber(ARGV[3]) + day))
end
return 1
