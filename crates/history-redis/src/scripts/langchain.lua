-- Before every script on LangChain's list: its state. The newest row is the first. The epoch is a
-- fingerprint of the oldest row.
local list = KEYS[1]
local count = redis.call('LLEN', list)
local oldest = redis.call('LINDEX', list, -1)
local epoch = oldest and tonumber(string.sub(redis.sha1hex(oldest), 1, 12), 16) or 0

-- Returns the tip of the version that ends after a number of rows: the fingerprint of the turn of the
-- last one, or of the text of a row that Python wrote, as `Row::tip` does.
local function tip_at(position)
    local row = position > 0 and redis.call('LINDEX', list, count - position)
    if not row then
        return ''
    end
    local turn = string.match(row, '"conversant_turn_id":"(%x+%-%x+%-%x+%-%x+%-%x+)"')
    if turn then
        return fingerprint(turn)
    end
    local bits = string.sub(redis.sha1hex(row), 1, 16)
    return bits == '0000000000000000' and '0000000000000001' or bits
end
