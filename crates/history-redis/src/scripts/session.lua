-- Before every script: the session's keys, and its state.
local meta, messages, turns, ids, notes, lease, index, floor =
    KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local fields = redis.call('HMGET', meta, 'epoch', 'cleared', 'messages', 'expires', 'notes')
local is_new = not fields[1]
local epoch = tonumber(fields[1] or redis.call('GET', floor) or 0)
local is_cleared = fields[2] == '1'
local count = tonumber(fields[3] or 0)
-- An expired session is empty, in the next epoch. Its keys may exist or not.
local is_over = fields[4] and tonumber(fields[4]) <= now
if is_over then
    epoch, is_cleared, count = epoch + 1, true, 0
end

-- The epoch of an expired session is kept for a day longer than its messages.
local day = 24 * 60 * 60 * 1000

-- Sets, or removes, the expiry of the session's keys.
local function live(lifetime)
    if lifetime then
        local expires = now + lifetime
        redis.call('HSET', meta, 'expires', string.format('%.0f', expires))
        redis.call('PEXPIREAT', meta, string.format('%.0f', expires + day))
        for _, key in ipairs({messages, turns, ids, notes}) do
            redis.call('PEXPIREAT', key, string.format('%.0f', expires))
        end
    elseif fields[4] then
        redis.call('HDEL', meta, 'expires')
        for _, key in ipairs({meta, messages, turns, ids, notes}) do
            redis.call('PERSIST', key)
        end
    end
end

-- Formats a number as it is stored: whole.
local function whole(number)
    return string.format('%.0f', number)
end

-- Returns the error of a write that arrives after its deadline, which its caller has given up.
local function late(limit)
    if limit and now > limit then
        return redis.error_reply('LATE ' .. whole(now))
    end
end
