-- Before every script on a session: its keys, and its state.
local meta, messages, turns, ids, notes, lease, index, floor =
    KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]

-- The error of a session whose state cannot be read. It can only be cleared or removed.
local damage = false
local fields = redis.pcall('HMGET', meta, 'epoch', 'cleared', 'messages', 'expires', 'notes')
if fields.err then
    damage, fields = fields, {}
end

-- Returns a number that was stored, or nothing if there is none.
local function stored(text)
    if not text then
        return nil
    end
    local number = string.match(text, '^%d+$') and tonumber(text)
    if not number or number > 9007199254740992 then
        damage = redis.error_reply('CORRUPT a number of the session cannot be decoded')
        return nil
    end
    return number
end

local is_new = not fields[1]
local epoch = stored(fields[1] or redis.call('GET', floor)) or 0
local is_cleared = fields[2] == '1'
local count = stored(fields[3]) or 0
local expires = stored(fields[4])
local noted = stored(fields[5])
-- An expired session is empty, in the next epoch. Its keys may exist or not.
local is_over = expires and expires <= now
if is_over then
    epoch, is_cleared, count = epoch + 1, true, 0
end

-- The epoch of an expired session is kept for a day longer than its messages.
local day = 24 * 60 * 60 * 1000

-- Sets, or removes, the expiry of the session's keys.
local function live(lifetime)
    if lifetime then
        local expiry = now + lifetime
        redis.call('HSET', meta, 'expires', whole(expiry))
        redis.call('PEXPIREAT', meta, whole(expiry + day))
        for _, key in ipairs({messages, turns, ids, notes}) do
            redis.call('PEXPIREAT', key, whole(expiry))
        end
    elseif expires or is_new then
        -- The key of a new session can have the expiry of a lease.
        redis.call('HDEL', meta, 'expires')
        for _, key in ipairs({meta, messages, turns, ids, notes}) do
            redis.call('PERSIST', key)
        end
    end
end
