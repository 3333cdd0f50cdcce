-- Appends a turn at a point, unless its id is stored already. Returns 0 and the version after it, 1 and
-- the session's version if that is not as expected, or 2, the epoch, the number of messages up to the
-- stored turn, and that turn. The usual case returns nothing if the turn follows the expected version.
-- ARGV: the deadline, the turn, epoch, messages and tip of the expected version, each empty if there is
-- none; the turn as it is stored after that version, or from its number of messages on, with a space
-- before; the number of messages after it, or its own; its fingerprint, the time of its id or nothing,
-- the bytes of its messages, the session's name after a line break, the expectation (0 any, 1 the same
-- epoch, 2 exactly), and what is recorded with it: names and numbers. In a call that is not the usual
-- one, also the lifetime in milliseconds or nothing, and the point.
local turn, turn_tip, name, expect = ARGV[2], ARGV[8], string.sub(ARGV[11], 2), tonumber(ARGV[12])
local seen_epoch, seen_count, seen_tip = tonumber(ARGV[3]) or 0, tonumber(ARGV[4]) or 0, ARGV[5]
local text = string.sub(ARGV[6], (string.find(ARGV[6], ' ', 1, true)))
local size = tonumber(string.match(text, '^ (%d+)'))
local lifetime, point = tonumber(ARGV[14] or ''), ARGV[15] or ''

local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
if not is_over then
    local known, number, finish = find(turn)
    if damage then
        return damage
    end
    if known then
        return {2, epoch, finish, read(known, number, number + 1)[1]}
    end
end
local path, moves_tip = path_to(point), true
if is_stale(path, expect, seen_epoch, seen_count, seen_tip) then
    local left
    if expect == 1 and tree and point == '' and seen_epoch == epoch and seen_tip ~= '' then
        left = path_of(seen_count, seen_tip)
    end
    if not left then
        return {1, epoch, path.messages, tip_at(path, path.messages)}
    end
    -- The tip was moved while the turn was made.
    path, moves_tip = left, false
end
if size == 0 then
    return {0, epoch, path.messages, tip_at(path, path.messages)}
end
-- A full server refuses the first writing command, and so does an index of another type, so that
-- nothing is half done.
check_lists()
redis.call('ZADD', index, 0, name)
if is_over then
    unlist(name)
    drop(name)
    forget()
end
describe(name)
local is_first = not used
list_at(name, math.min(tonumber(ARGV[9]) or now, now))
bytes = bytes + tonumber(ARGV[10])
for sum, number in string.gmatch(ARGV[13], '(%a+) (%d+)') do
    local added = redis.pcall('HINCRBY', meta, 'sum:' .. sum, number)
    if type(added) == 'table' and added.err then
        redis.call('HSET', meta, 'sum:' .. sum, '9223372036854775807')
    end
end
local row = path.head
local continues = row.is_own and path.turns == row.turns + row.size
if tree or not continues then
    grow()
    row = branch(row.number)
end
if not continues then
    local parent = path.turns > 0 and row.number or nil
    local list, own, shared = keys_of(base, tree, branch_count)
    row = {
        number = branch_count, parent = parent, turns = path.turns, messages = path.messages, size = 0,
        generation = tree, source = branch_count, owner = base, is_own = true, list = list, ids = own,
        shared = shared,
    }
    rows[row.number] = row
    branch_count = branch_count + 1
    redis.call('HSET', meta, 'branches', whole(branch_count))
end
local finish = path.messages + size
redis.call('RPUSH', row.list, whole(path.messages) .. text)
redis.call('HSET', row.ids, turn, whole(row.number) .. ' ' .. whole(path.turns) .. ' ' .. whole(finish))
row.size = row.size + 1
if tree then
    own_turns = own_turns + 1
    row.touched = borrowed + own_turns
    redis.call('HSET', branches, whole(row.number), text_of(row))
    redis.call('HSET', meta, 'stored', whole(own_turns))
    if moves_tip then
        redis.call('HSET', meta, 'head', whole(row.number), 'turns', whole(path.turns + 1), 'messages', whole(finish),
            'tip', turn_tip)
    end
elseif path.messages == 0 then
    redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', whole(finish),
        'earlier', 0, 'tip', turn_tip)
elseif fields[6] then
    redis.call('HSET', meta, 'messages', whole(finish), 'tip', turn_tip)
else
    redis.call('HSET', meta, 'messages', whole(finish), 'tip', turn_tip, 'earlier', whole(earlier))
end
redis.call('HSET', meta, 'used', whole(used), 'bytes', whole(bytes))
if is_first then
    redis.call('HSET', meta, 'created', whole(used))
end
live(lifetime, name)
return {0, epoch, finish, turn_tip}
