-- Begins a session with the turns that were copied. Returns whether it is not empty, and its version.
-- ARGV: the deadline, the session's name, the id of the fork, the number of turns, the messages and the
-- tip, the lifetime in milliseconds or nothing, the labels of the source, and the most labels.
local name, fork_id, turns_of, messages_of, tip = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
if is_over then
    return redis.error_reply('EXPIRED the time of the session is up')
end
if redis.call('HGET', meta, 'fork') == fork_id then
    return {0, epoch, count, last_tip or ''}
end
if count > 0 or tree then
    return {1, epoch, count, last_tip or ''}
end
if turns_of == 0 then
    local all = with_labels(ARGV[8], tonumber(ARGV[9]))
    if all ~= labels then
        check_lists()
        redis.call('ZADD', index, 0, name)
        begin(name, tonumber(ARGV[7]))
        unlist(name)
        labels, used = all, now
        redis.call('HSET', meta, 'used', whole(now), 'labels', labels)
        list_it(name)
    end
    return {0, epoch, 0, ''}
end
local copied, copied_ids = base .. 'fork:' .. fork_id, base .. 'forked:' .. fork_id
if redis.call('LLEN', copied) ~= turns_of or redis.call('HLEN', copied_ids) ~= turns_of then
    return redis.error_reply('CORRUPT the turns that were copied are missing')
end
check_lists()
redis.call('ZADD', index, 0, name)
redis.call('RENAME', copied, turns)
redis.call('RENAME', copied_ids, ids)
redis.call('PERSIST', turns)
redis.call('PERSIST', ids)
redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', whole(messages_of),
    'earlier', 0, 'tip', tip, 'fork', fork_id)
unlist(name)
labels, used = with_labels(ARGV[8], tonumber(ARGV[9])), now
redis.call('HSET', meta, 'used', whole(now))
redis.call('HSETNX', meta, 'created', whole(now))
if labels ~= '' then
    redis.call('HSET', meta, 'labels', labels)
end
list_it(name)
live(tonumber(ARGV[7]), name)
return {0, epoch, messages_of, tip}
