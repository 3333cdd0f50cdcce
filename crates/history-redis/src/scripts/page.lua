-- Lists sessions by their last use. Returns those found, each with its number of turns and the fields of
-- its list; the element after which the next page begins, if there may be more; and whether the list is
-- complete: a server that evicts keys may have evicted it.
-- KEYS: the list. ARGV: the bounds of the elements, from the one to begin with; 1 if the oldest are first;
-- the number of elements to examine, the number to list, the prefix of keys, and labels.
local from, to, is_ascending, most = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local limit, prefix = tonumber(ARGV[5]), ARGV[6]
local is_complete = redis.call('ZSCORE', KEYS[1], '\255') and 1 or 0

-- Returns the begin of the names of a session's keys, as `keys.rs` does.
local function keys_of(name)
    local encoded = string.gsub(name, '[%z\1-\32\127%%{}]', function(byte)
        return string.format('%%%02X', string.byte(byte))
    end)
    return prefix .. '{' .. encoded .. '}:'
end

local range = is_ascending and 'ZRANGEBYLEX' or 'ZREVRANGEBYLEX'
local places = redis.call(range, KEYS[1], from, to, 'LIMIT', 0, most)
local found, last = {}, false
for _, place in ipairs(places) do
    if #found == limit then
        break
    end
    last = place
    local time, name = string.match(place, '^\n(%d+)\n(.*)$')
    if not time then
        time, name = string.match(place, '^[^\n]*\n[^\n]*\n(%d+)\n(.*)$')
    end
    local keys = keys_of(name)
    local state = redis.pcall('HMGET', keys .. 'meta', 'epoch', 'expires', 'tree', 'turns')
    local kept = redis.pcall('HMGET', keys .. 'meta', 'used', 'title', 'labels', 'created', 'bytes', 'sum:input',
        'sum:output', 'sum:total', 'sum:cached', 'sum:written', 'sum:reasoning', 'sum:cost')
    local is_over = state[2] and (tonumber(state[2]) or now + 1) <= now
    if kept.err or not state[1] then
        -- A session that has lost a key is listed, so that its loss is noticed when it is loaded.
        if kept.err or redis.call('EXISTS', keys .. 'turns', keys .. 'ids', keys .. 'branches') > 0 then
            found[#found + 1] = {name, '0', {whole(tonumber(time))}}
        else
            redis.call('ZREM', KEYS[1], place)
        end
    elseif is_over or tonumber(kept[1]) ~= tonumber(time) then
        redis.call('ZREM', KEYS[1], place)
    else
        local is_selected = true
        for at = 7, #ARGV, 2 do
            is_selected = is_selected and has_label(kept[3] or '', ARGV[at], ARGV[at + 1])
        end
        if is_selected then
            local size = redis.pcall('LLEN', keys .. 'turns')
            found[#found + 1] = {name, state[3] and state[4] or type(size) == 'number' and whole(size) or '0', kept}
        end
    end
end
return {found, (#places == most or #found == limit) and last, is_complete}
