-- Loads the messages that a session begins with. ARGV: how many of them.
if is_over or tonumber(ARGV[1]) == 0 then
    return {}
end
return redis.call('LRANGE', messages, 0, math.min(tonumber(ARGV[1]), count) - 1)
