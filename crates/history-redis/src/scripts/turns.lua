-- The turns of the session, each stored as `first count id incomplete base`.
local function parse(kept)
    local first, size, id = string.match(kept or '', '^(%d+) (%d+) (%x+%-%x+%-%x+%-%x+%-%x+) ')
    return tonumber(first), tonumber(size), id
end

-- The last turn, if the session has one. `check.lua` reads it.
local last_first, last_size, last_id

-- Returns the fingerprint of the turn that ends at a number of messages, or nothing.
local function tip_at(position)
    if position > 0 and last_id and last_first + last_size == position then
        return fingerprint(last_id)
    end
    local last = redis.call('LLEN', turns) - 1
    while last >= 0 and position > 0 and position <= count do
        local from = math.max(last - 99, 0)
        local page = redis.call('LRANGE', turns, from, last)
        for at = #page, 1, -1 do
            local first, size, id = parse(page[at])
            if not first or first < position then
                return first and first + size == position and fingerprint(id) or ''
            end
        end
        last = from - 1
    end
    return ''
end
