-- Lists sessions in byte order. Returns those found, and the last name examined if there may be more.
-- KEYS: the index. ARGV: the name to begin after, or nothing, the number of names to examine, the
-- number to list, and the prefix of keys.
local after, most, limit, prefix = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Returns the name of a key, as `keys.rs` does.
local function meta_of(name)
    local encoded = string.gsub(name, '[%z\1-\32\127%%{}]', function(byte)
        return string.format('%%%02X', string.byte(byte))
    end)
    return prefix .. '{' .. encoded .. '}:meta'
end

local names = redis.call('ZRANGEBYLEX', KEYS[1], after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, most)
local found, last = {}, false
for _, name in ipairs(names) do
    if #found == limit then
        break
    end
    last = name
    local fields = redis.call('HMGET', meta_of(name), 'messages', 'expires')
    if fields[1] and not (fields[2] and tonumber(fields[2]) <= now) then
        found[#found + 1] = name
    else
        -- It has expired.
        redis.call('ZREM', KEYS[1], name)
    end
end
return {found, #names == most and last}
