-- Stores a note, unless it covers another epoch than the session's. Answers whether it does, and the version.
-- ARGV: its name, its JSON, the epoch that it covers, and the lifetime in milliseconds
-- or nothing.
if tonumber(ARGV[3]) ~= epoch then
    return {1, epoch, count}
end
if is_over then
    redis.call('DEL', messages, turns, ids, notes)
end
redis.call('HSET', notes, ARGV[1], ARGV[2])
if is_new or is_over then
    redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', 0)
    live(tonumber(ARGV[4]))
elseif fields[4] then
    redis.call('PEXPIREAT', notes, fields[4])
end
return {0, epoch, count}
