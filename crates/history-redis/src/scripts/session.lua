-- Before every script on a session: its keys, and its state.
local meta, messages, turns, ids, notes, lease, index, floor, listed =
    KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
-- The begin of the names of the session's keys, and the rows of its branches (branch.lua).
local base = string.sub(meta, 1, -5)
local branches = base .. 'branches'

-- The error of a session whose state cannot be read. It can only be cleared or removed.
local damage = false
local fields = redis.pcall('HMGET', meta, 'epoch', 'cleared', 'messages', 'expires', 'notes',
    'earlier', 'tip', 'tree', 'head', 'turns', 'stored', 'branches', 'borrowed', 'used', 'labels', 'title', 'bytes')
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
-- The number of messages that are in a list of their own, as version 1 stored all of them.
local earlier = stored(fields[6]) or count
-- The fingerprint of the last turn, if version 2 wrote it.
local last_tip = fields[7]
-- The generation of the session's branches, if it has several or shares turns with another session;
-- then the branch of its tip, the turns up to there, the turns that are stored in its branches, and
-- the numbers of its branches and of those that belong to another session, which come first.
local tree = stored(fields[8])
local grown = tree
local head, length, own_turns = stored(fields[9]), stored(fields[10]), stored(fields[11])
local branch_count, borrowed = stored(fields[12]), stored(fields[13])
if tree and not (head and length and own_turns and branch_count and borrowed) and not damage then
    damage = redis.error_reply('CORRUPT a number of the session is missing')
end
-- What a list shows of the session: when it was last used, its labels as lines of names and values, its
-- title, and the bytes of its turns.
local used, labels, title, bytes = stored(fields[14]), fields[15] or '', fields[16], stored(fields[17]) or 0
-- An expired session is empty, in the next epoch. Its keys may exist or not.
local is_over = expires and expires <= now
if is_over then
    epoch, is_cleared, count, earlier, last_tip = epoch + 1, true, 0, 0, nil
end

-- The epoch of an expired session is kept for a day longer than its messages.
local day = 24 * 60 * 60 * 1000

-- Ends the script with an error that the client knows by its first word.
local function fail(what)
    error('-' .. what, 0)
end

local function corrupt(what)
    fail('CORRUPT ' .. what)
end
