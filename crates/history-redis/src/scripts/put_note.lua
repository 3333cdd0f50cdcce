-- Stores a note, unless it covers a version of another conversation. Does nothing at a point that is
-- not the tip. Returns 1 if it covers another conversation, 2 if the note in its place is not the one
-- that was read, and the version.
-- ARGV: the deadline, the note's name, its JSON, epoch, messages and tip of the version that it
-- covers, the lifetime in milliseconds or nothing, the session's name, and the point; the JSON that was
-- read, `none`, or nothing if it may be any.
local seen_epoch, seen_count, seen_tip = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local path = path_to('')
local kept = not is_over and redis.call('HGET', notes, ARGV[2]) or 'none'
if ARGV[10] ~= '' and ARGV[10] ~= kept then
    return {2, epoch, count, ''}
end
if ARGV[9] ~= '' and not is_same(path_to(ARGV[9]), path) then
    return {0, epoch, count, ''}
end
if is_stale(path, 1, seen_epoch, seen_count, seen_tip) then
    return {1, epoch, count, tip_at(path, count)}
end
local note = ARGV[3]
if seen_epoch ~= epoch then
    -- Its writer saw the session before it existed.
    note = string.gsub(note, '("covers":{"epoch":)%d+([^{}]*}})$', '%1' .. whole(epoch) .. '%2')
end
if seen_tip == '' and seen_count > 0 then
    -- A version without a tip is one of this path, and of no other one later.
    note = string.gsub(note, '}}$', ',"turn":"' .. tip_with(path, seen_count) .. '"}}')
end
if is_over then
    -- The first command that writes is one that a full server refuses.
    redis.call('HSET', meta, 'messages', 0)
    unlist(ARGV[8])
    drop(ARGV[8])
    forget()
end
redis.call('HSET', notes, ARGV[2], note)
redis.call('HSET', meta, 'notes', redis.call('HLEN', notes))
if is_new or is_over then
    redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', 0)
    live(tonumber(ARGV[7]), ARGV[8])
elseif count == 0 and not tree then
    -- The lifetime of a session without turns begins again.
    live(tonumber(ARGV[7]), ARGV[8])
elseif expires then
    redis.call('PEXPIREAT', notes, whole(expires))
end
return {0, epoch, count, tip_at(path, count)}
