-- Releases the lease of a session, if this holder has it. ARGV: the holder.
if holder ~= ARGV[1] then
    return 0
end
if second == ARGV[1] then
    redis.call('HDEL', meta, 'holder', 'until')
end
redis.call('DEL', lease)
return 1
