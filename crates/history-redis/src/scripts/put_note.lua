-- Stores a note, unless it covers a version of another conversation. Returns whether it does, and the
-- version.
-- ARGV: the deadline, the note's name, its JSON, epoch, messages and tip of the version that it
-- covers, and the lifetime in milliseconds or nothing.
local seen_epoch, seen_count, seen_tip = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
if seen_epoch ~= epoch or seen_count > count
    or seen_count > 0 and seen_tip ~= '' and tip_at(seen_count) ~= seen_tip
then
    return {1, epoch, count, tip_at(count)}
end
if is_over then
    redis.call('DEL', messages, turns, ids, notes)
end
redis.call('HSET', notes, ARGV[2], ARGV[3])
redis.call('HSET', meta, 'notes', redis.call('HLEN', notes))
if is_new or is_over then
    redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', 0)
    live(tonumber(ARGV[7]))
elseif expires then
    redis.call('PEXPIREAT', notes, whole(expires))
end
return {0, epoch, count, tip_at(count)}
