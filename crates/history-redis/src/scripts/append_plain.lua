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
        and ARGV[7] == '' and ARGV[8] ~= '0' and ARGV[12] == ''
        and now <= tonumber(ARGV[1]) and #epoch < 14 and #count < 14 and #used == 13 and #bytes < 14
        and string.find(epoch .. ' ' .. count .. ' ' .. used .. ' ' .. bytes, '^%d+ %d+ %d+ %d+$')
        and (ARGV[3] == '0' or ARGV[4] == epoch and ARGV[5] == count and (ARGV[6] == '' or ARGV[6] == tip))
    then
        -- Numbers of less than 15 digits are written whole.
        local last, finish = tonumber(used), count + ARGV[8]
        local made = math.max(math.min(tonumber(ARGV[13]) or now, now), last)
        local size = redis.call('HLEN', KEYS[4])
        if size > 0 and count ~= '0' and made < 1e13
            and (not noted or redis.call('HLEN', KEYS[5]) == tonumber(noted))
        then
            local place = '\n00' .. made .. '\n' .. ARGV[10]
            -- A full server refuses the first writing command, and so does a list of another type.
            local is_moved = redis.call('ZADD', KEYS[9], 0, place) == 1
            local length = redis.pcall('RPUSH', KEYS[3], count .. ' ' .. ARGV[8] .. ' ' .. ARGV[9])
            if length == size + 1
                and redis.call('HSETNX', KEYS[4], ARGV[2], '0 ' .. size .. ' ' .. finish) == 1
            then
                if made > last then
                    redis.call('ZREM', KEYS[9], '\n00' .. used .. '\n' .. ARGV[10])
                end
                redis.call('HSET', KEYS[1], 'messages', finish, 'tip', ARGV[11], 'used', made, 'bytes',
                    bytes + ARGV[14])
                for sum, number in string.gmatch(ARGV[15], '(%a+) (%d+)') do
                    local added = redis.pcall('HINCRBY', KEYS[1], 'sum:' .. sum, number)
                    if type(added) == 'table' and added.err then
                        redis.call('HSET', KEYS[1], 'sum:' .. sum, '9223372036854775807')
                    end
                end
                return {0, tonumber(epoch), finish, ARGV[11]}
            end
            -- The turn is stored already, or the server has evicted a key: as it was.
            if type(length) == 'number' then
                redis.call('RPOP', KEYS[3])
            end
            if is_moved then
                redis.call('ZREM', KEYS[9], place)
            end
        end
    end
end
