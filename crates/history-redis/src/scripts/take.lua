-- Acquires the lease of a session, by the server's clock. Returns 1 if the holder has it. A holder whose
-- connection broke before the answer gets its own lease again.
-- KEYS: the lease. ARGV: the holder, and milliseconds.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
    return 1
end
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
