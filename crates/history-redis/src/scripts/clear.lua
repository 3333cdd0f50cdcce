-- Clears a session and starts an epoch, unless it was cleared since it was seen.
-- ARGV: the deadline, the epoch seen, the session's name, and the lifetime in milliseconds or nothing.
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
if tonumber(ARGV[2]) ~= epoch then
    return 0
end
check_lists()
redis.call('ZREM', index, ARGV[3])
unlist(ARGV[3])
local next_epoch = epoch + 1
if damage or is_new and redis.call('EXISTS', messages, turns, ids, notes, branches) > 0 then
    drop(ARGV[3])
    redis.call('DEL', meta)
    used, labels = nil, ''
    -- The unknown epoch must not recur. Seconds since 1970 are more than any session was cleared.
    next_epoch = math.max(next_epoch, math.floor(now / 1000))
else
    drop(ARGV[3])
    if is_over then
        forget()
    else
        clear_fields()
    end
    if labels ~= '' then
        list_it(ARGV[3])
    end
end
redis.call('HSET', meta, 'epoch', whole(next_epoch), 'cleared', 1, 'messages', 0)
redis.call('HDEL', meta, 'expires')
redis.call('PERSIST', meta)
if tonumber(ARGV[4]) then
    redis.call('PEXPIREAT', meta, whole(now + tonumber(ARGV[4]) + day))
end
return 1
