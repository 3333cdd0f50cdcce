-- Before the script that appends a turn: the usual case, with few commands and without the functions of
-- the others. The session has neither branches, labels nor an expiry, all of its turns have the present
-- form, and it is as expected. Everything else is left to the script.
do
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local kept = redis.pcall('HMGET', KEYS[1], 'epoch', 'messages', 'tip', 'used', 'bytes', 'notes', 'earlier', 'tree',
        'expires', 'labels')
    local epoch, count, tip, used, bytes, noted = kept[1], kept[2], kept[3], kept[4], kept[5], kept[6]
    if epoch and count and tip and used and bytes and kept[7] == '0' and not (kept[8] or kept[9] or kept[10])
        and ARGV[7] == '' and ARGV[8] ~= '0' and ARGV[12] == '' and ARGV[15] == ''
        and now <= tonumber(ARGV[1]) and #epoch < 15 and #count < 15 and #used == 13
        and string.find(epoch .. ' ' .. count .. ' ' .. used .. ' ' .. bytes, '^%d+ %d+ %d+ %d+$')
        and (ARGV[3] == '0' or ARGV[4] == epoch and ARGV[5] == count and (ARGV[6] == '' or ARGV[6] == tip))
    then
        local size = redis.call('LLEN', KEYS[3])
        local last = tonumber(used)
        local made = math.max(math.min(tonumber(ARGV[13]) or now, now), last)
        local new = string.format('%.0f', made)
        if size > 0 and count ~= '0' and redis.call('HLEN', KEYS[4]) == size and #new == 13
            and (not noted or redis.call('HLEN', KEYS[5]) == tonumber(noted))
            and not redis.call('HGET', KEYS[4], ARGV[2])
        then
            local finish = string.format('%.0f', count + ARGV[8])
            -- A full server refuses the first writing command, and so does a list of another type.
            redis.call('ZADD', KEYS[9], 0, '\n00' .. new .. '\n' .. ARGV[10])
            if made > last then
                redis.call('ZREM', KEYS[9], '\n00' .. used .. '\n' .. ARGV[10])
            end
            redis.call('RPUSH', KEYS[3], count .. ' ' .. ARGV[8] .. ' ' .. ARGV[9])
            redis.call('HSET', KEYS[4], ARGV[2], '0 ' .. size .. ' ' .. finish)
            redis.call('HSET', KEYS[1], 'messages', finish, 'tip', ARGV[11], 'used', new, 'bytes',
                string.format('%.0f', bytes + ARGV[14]))
            return {0, tonumber(epoch), tonumber(finish), ARGV[11]}
        end
    end
end
