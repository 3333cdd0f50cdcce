-- Begins to complete the index. KEYS: the index. ARGV: the mark of the process.
return redis.call('ZADD', KEYS[1], 0, '\255' .. ARGV[1])
