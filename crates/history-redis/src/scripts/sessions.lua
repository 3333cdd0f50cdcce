-- Lists sessions in byte order. Returns those found, the last name examined if there may be more, and
-- whether the index is complete: a server that evicts keys may have evicted it.
-- KEYS: the index. ARGV: the name to begin after, or nothing, the number of names to examine, the
-- number to list, and the prefix of keys.
local after, most, limit, prefix = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local is_complete = redis.call('ZSCORE', KEYS[1], '\255') and 1 or 0

-- Returns the begin of the names of a session's keys, as `keys.rs` does.
local function keys_of(name)
    local encoded = string.gsub(name, '[%z\1-\32\127%%{}]', function(byte)
        return string.format('%%%02X', string.byte(byte))
    end)
    return prefix .. '{' .. encoded .. '}:'
end

-- No name begins with the byte 255, which is not UTF-8: what does marks the index as complete, or is
-- of a process that completes it.
local names = redis.call('ZRANGEBYLEX', KEYS[1], after == '' and '-' or '(' .. after, '(\255', 'LIMIT', 0, most)
local found, last = {}, false
for _, name in ipairs(names) do
    if #found == limit then
        break
    end
    last = name
    local keys = keys_of(name)
    local fields = redis.pcall('HMGET', keys .. 'meta', 'messages', 'expires', 'tree', 'title', 'labels')
    local is_over = fields[2] and (tonumber(fields[2]) or now + 1) <= now
    -- A session that has lost a key is listed, so that its loss is noticed when it is loaded.
    local is_there = fields.err or fields[1] and (fields[1] ~= '0' or fields[3] or fields[4] or fields[5]) and not is_over
        or not fields[1]
            and redis.call('EXISTS', keys .. 'messages', keys .. 'turns', keys .. 'ids', keys .. 'branches') > 0
    if is_there then
        found[#found + 1] = name
    else
        -- It has expired.
        redis.call('ZREM', KEYS[1], name)
    end
end
return {found, #names == most and last, is_complete}
