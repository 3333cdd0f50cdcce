-- Loads the first messages of a session. ARGV: their number.
if is_over or tonumber(ARGV[1]) == 0 then
    return {}
end
return redis.call('LRANGE', messages, 0, math.min(tonumber(ARGV[1]), count) - 1)
