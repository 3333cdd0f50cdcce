-- Before the script that appends a turn: the usual case, with few commands, few conversions of numbers
-- and without the functions of the others. The session has neither branches, labels nor an expiry, all
-- of its turns have the present form, and it is as expected. Everything else is left to the script.
if not ARGV[14] then
    local call = redis.call
    local meta, turns, ids, listed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
    local kept = redis.pcall('HMGET', meta, 'epoch', 'messages', 'tip', 'used', 'bytes', 'notes', 'earlier', 'tree',
        'expires', 'labels')
    local epoch, count, used, bytes, noted = kept[1], kept[2], kept[4], kept[5], kept[6]
    if kept[7] == '0' and not (kept[8] or kept[9] or kept[10])
        and (ARGV[3] == '' and kept[3] and epoch and count and #epoch < 14 and string.find(epoch .. count, '^%d+$')
            or epoch == ARGV[3] and count == ARGV[4] and kept[3] == ARGV[5])
        and used and bytes and #count < 14 and #used == 13 and #bytes < 14 and string.find(used .. bytes, '^%d+$')
    then
        local time, size = call('TIME'), call('HLEN', ids)
        local now = time[1] * 1000 + time[2] / 1000
        if now < ARGV[1] + 1 and size > 0 and (not noted
            or call('HLEN', string.sub(meta, 1, -5) .. 'notes') == tonumber(noted))
        then
            local text, finish = ARGV[6], ARGV[7]
            if ARGV[3] == '' then
                text, finish = count .. text, string.format('%.0f', count + finish)
            end
            -- Times of 13 digits are in the order of their texts.
            local made, name = ARGV[9], ARGV[11]
            if made == '' or made + 0 > now then
                made = string.format('%.0f', math.floor(now))
            end
            if #made < 13 or made < used then
                made = used
            end
            local place = '\n00' .. made .. name
            -- A full server refuses the first writing command, and so does a list of another type.
            local is_moved = call('ZADD', listed, '0', place) == 1
            local length = redis.pcall('RPUSH', turns, text)
            if length == size + 1 and call('HSETNX', ids, ARGV[2], '0 ' .. size .. ' ' .. finish) == 1 then
                if made ~= used then
                    call('ZREM', listed, '\n00' .. used .. name)
                end
                call('HSET', meta, 'messages', finish, 'tip', ARGV[8], 'used', made, 'bytes', bytes + ARGV[10])
                if ARGV[13] ~= '' then
                    for sum, number in string.gmatch(ARGV[13], '(%a+) (%d+)') do
                        local added = redis.pcall('HINCRBY', meta, 'sum:' .. sum, number)
                        if type(added) == 'table' and added.err then
                            call('HSET', meta, 'sum:' .. sum, '9223372036854775807')
                        end
                    end
                end
                if ARGV[3] == '' then
                    return {0, tonumber(epoch), tonumber(finish), ARGV[8]}
                end
                return false
            end
            -- The turn is stored already, or the server has evicted a key: as it was.
            if type(length) == 'number' then
                call('RPOP', turns)
            end
            if is_moved then
                call('ZREM', listed, place)
            end
        end
    end
end

-- The keys as the files after this one take them.
local begin_of_keys = string.sub(KEYS[1], 1, -5)
local KEYS = {
    KEYS[1], begin_of_keys .. 'messages', KEYS[2], KEYS[3], begin_of_keys .. 'notes', begin_of_keys .. 'lease',
    KEYS[5], KEYS[6], KEYS[4],
}
