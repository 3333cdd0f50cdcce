-- Marks the index as complete. Returns 0 if it was evicted since the process began to complete it.
-- KEYS: the index. ARGV: the mark of the process.
if not redis.call('ZSCORE', KEYS[1], '\255' .. ARGV[1]) then
    return 0
end
redis.call('ZREMRANGEBYLEX', KEYS[1], '[\255', '+')
redis.call('ZADD', KEYS[1], 0, '\255')
return 1
