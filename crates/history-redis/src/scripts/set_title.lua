-- Sets the title of a session, or removes it. ARGV: the deadline, the session's name, the lifetime in
-- milliseconds or nothing, and the title or nothing.
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local name, new_title = ARGV[2], ARGV[4] ~= '' and ARGV[4] or nil
if not new_title and (is_new or is_over) then
    return 0
end
check_lists()
redis.call('ZADD', index, 0, name)
begin(name, tonumber(ARGV[3]))
title = new_title
if title then
    redis.call('HSET', meta, 'title', title)
else
    redis.call('HDEL', meta, 'title')
end
list_if_shown(name)
return 1
