-- Adds names to the index. Returns 0 if it was evicted since the process began to complete it.
-- KEYS: the index. ARGV: the mark of the process, and the names.
if not redis.call('ZSCORE', KEYS[1], '\255' .. ARGV[1]) then
    return 0
end
for at = 2, #ARGV do
    redis.call('ZADD', KEYS[1], 0, ARGV[at])
end
return 1
