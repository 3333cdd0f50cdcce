-- Before the script that loads a part of a session: the usual cases, with few commands and without the
-- functions of the others. The session has neither branches nor an expiry, and all of its turns have
-- the present form. Everything else is left to the script.
do
    local kept = redis.pcall('HMGET', KEYS[1], 'epoch', 'messages', 'tip', 'notes', 'earlier', 'tree', 'expires')
    local epoch, count, tip, noted = kept[1], kept[2], kept[3], kept[4]
    local last = ARGV[1] == 'turns' and tonumber(ARGV[2])
    local is_known = ARGV[1] == 'after' and ARGV[2] == epoch and ARGV[3] == count and (ARGV[4] == '' or ARGV[4] == tip)
    if (is_known or last and last > 0 and last < 10000) and ARGV[5] == ''
        and epoch and count and tip and kept[5] == '0' and not (kept[6] or kept[7])
        and #epoch < 15 and #count < 15 and string.find(epoch .. ' ' .. count, '^%d+ %d+$')
    then
        local size = redis.call('LLEN', KEYS[3])
        if size > 0 and count ~= '0' and redis.call('HLEN', KEYS[4]) == size
            and (not noted or redis.call('HLEN', KEYS[5]) == tonumber(noted))
        then
            local found = is_known and {} or redis.call('LRANGE', KEYS[3], -last, -1)
            return {tonumber(epoch), tonumber(count), tip, found, is_known and tonumber(count) or 0}
        end
    end
end
