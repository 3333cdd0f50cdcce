-- Acquires the lease of a session, by the server's clock. Returns 1 if the holder has it. A holder whose
-- connection broke before the answer gets its own lease again.
-- ARGV: the deadline, the holder, and milliseconds.
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
if holder and holder ~= ARGV[2] then
    return 0
end
local time_left = tonumber(ARGV[3])
redis.call('SET', lease, ARGV[2], 'PX', whole(time_left))
if is_readable then
    redis.call('HSET', meta, 'holder', ARGV[2], 'until', whole(now + time_left))
    if not is_begun then
        redis.call('PEXPIREAT', meta, whole(now + time_left))
    end
end
return 1
