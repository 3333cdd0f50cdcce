-- The branches of a session. Its turns are a tree; a branch has the turns that follow a point of its
-- parent, in a list, each as `first count id incomplete base`, a space and the messages as JSON. The
-- hash `ids` has the branch, number and end of each turn by its id.
--
-- A session without other branches has its turns in the list `turns`. The row of another one's branch
-- is `parent turns messages touched size lent generation number base`: the branch that it leaves or
-- `-`; the turns and messages before; its place in the order in which the branches got their last
-- turns; the number of its turns; 1 if forks share them; and the parts of the names of its keys. The
-- first rows of a fork are those of the turns that it shares, in the keys of another session.
local rows = {}

-- Returns the keys of a branch: its turns, its ids, and the sessions that share its turns.
local function keys_of(owner, generation, number)
    local name = whole(generation) .. '.' .. whole(number)
    return owner .. 'turns:' .. name, owner .. 'ids:' .. whole(generation), owner .. 'shared:' .. name
end

local function text_of(row)
    return table.concat({
        row.parent and whole(row.parent) or '-', whole(row.turns), whole(row.messages), whole(row.touched),
        whole(row.size), row.lent and '1' or '0', whole(row.generation), whole(row.source), row.owner,
    }, ' ')
end

-- Returns a branch of the session.
local function branch(number)
    local row = rows[number]
    if row then
        return row
    end
    if not tree then
        row = {number = 0, turns = 0, messages = 0, touched = 0, is_own = true, list = turns, ids = ids}
        row.size = redis.call('LLEN', turns)
    else
        local text = redis.call('HGET', branches, whole(number)) or ''
        local parent, first, begin, touched, size, lent, generation, source, owner =
            string.match(text, '^([%d-]+) (%d+) (%d+) (%d+) (%d+) ([01]) (%d+) (%d+) (.*)$')
        if not parent then
            corrupt('a branch of the session is missing')
        end
        row = {
            number = number, parent = tonumber(parent), turns = tonumber(first), messages = tonumber(begin),
            touched = tonumber(touched), size = tonumber(size), lent = lent == '1',
            generation = tonumber(generation), source = tonumber(source), owner = owner,
        }
        row.is_own = owner == base and row.generation == tree
        row.list, row.ids, row.shared = keys_of(owner, row.generation, row.source)
        local found = redis.call('LLEN', row.list)
        if found < row.size or row.is_own and found ~= row.size then
            corrupt('turns of a branch are missing')
        end
    end
    rows[number] = row
    return row
end

-- Returns the branch that another one leaves. The turns before it are fewer with each step.
local function parent_of(row)
    local parent = row.parent and branch(row.parent)
    if not parent or parent.turns >= row.turns then
        corrupt('a branch of the session is missing')
    end
    return parent
end

-- Returns the branch that has the turn of a number, on the path to the end of a branch.
local function with_turn(row, number)
    while number < row.turns do
        row = parent_of(row)
    end
    return row
end

-- A path: the turns from the start to a point. `head` is the branch of the last one.
local function path_to_tip()
    if tree then
        return {head = branch(head), turns = length, messages = count}
    end
    local row = branch(0)
    return {head = row, turns = row.size, messages = count}
end

-- Parses the begin of a stored turn.
local function parse(kept)
    local first, size, id = string.match(kept or '', '^(%d+) (%d+) (%x+%-%x+%-%x+%-%x+%-%x+) ')
    if not first then
        corrupt('a turn of the session cannot be decoded')
    end
    return tonumber(first), tonumber(size), id
end

-- Adds the messages to the turns that version 1 stored, which have theirs in a list of their own.
local function with_messages(found)
    local last = 0
    while found[last + 1] and not string.find(found[last + 1], '[', 1, true) do
        last = last + 1
    end
    if last == 0 then
        return found
    end
    local from = parse(found[1])
    local first, size = parse(found[last])
    local texts = redis.call('LRANGE', messages, from, first + size - 1)
    if #texts ~= first + size - from then
        corrupt('messages of the session are missing')
    end
    for i = 1, last do
        first, size = parse(found[i])
        found[i] = found[i] .. ' [' .. table.concat(texts, ',', first - from + 1, first - from + size) .. ']'
    end
    return found
end

-- Returns turns of a branch, by their numbers.
local function of_branch(row, from, to)
    local low, high = from - row.turns, to - row.turns - 1
    if row.is_own and low > row.size / 2 then
        -- Before version 7, the server counts from the end only for negative numbers.
        low, high = low - row.size, high - row.size
    end
    local found = redis.call('LRANGE', row.list, low, high)
    if #found ~= to - from then
        corrupt('turns of a branch are missing')
    end
    if earlier > 0 then
        return with_messages(found)
    end
    return found
end

-- Returns the turns of a path from a number on and before another one.
local function read(row, from, to)
    if to <= from then
        return {}
    end
    row = with_turn(row, to - 1)
    if from >= row.turns then
        return of_branch(row, from, to)
    end
    local parts = {}
    while to > from do
        row = with_turn(row, to - 1)
        local low = math.max(from, row.turns)
        parts[#parts + 1] = of_branch(row, low, to)
        to = low
    end
    local found = {}
    for i = #parts, 1, -1 do
        for _, kept in ipairs(parts[i]) do
            found[#found + 1] = kept
        end
    end
    return found
end

-- Returns the turns at the end of a path for which `wanted` is true, and the number of the first one.
-- Pages are neither too large to hold nor too many.
local function read_back(path, page, wanted)
    local kept, to = {}, path.turns
    while to > 0 do
        local from = math.max(to - page, 0)
        local found = read(path.head, from, to)
        for i = #found, 1, -1 do
            if not wanted(found[i]) then
                to = 0
                break
            end
            kept[#kept + 1] = found[i]
        end
        to, page = math.min(to, from), math.min(page * 2, 256)
    end
    local found, last = {}, #kept
    for i = last, 1, -1 do
        found[last - i + 1] = kept[i]
    end
    return found
end

-- Returns the fingerprint of the turn of a path that ends at a number of messages, or nothing.
local function tip_at(path, position)
    if position == 0 or position > path.messages then
        return ''
    end
    if position == path.messages and path.tip then
        return path.tip
    end
    local tip = ''
    read_back(path, 1, function(kept)
        local first, size, id = parse(kept)
        if first + size == position then
            tip = fingerprint(id)
        end
        return first + size > position
    end)
    return tip
end

-- Returns the place of a turn by its id: its branch, its number, and the messages up to its end.
local function find(id)
    local own = ids
    if tree then
        own = select(2, keys_of(base, tree, 0))
    end
    local place = redis.call('HGET', own, id)
    if place then
        local number = {string.match(place, '^(%d+) (%d+) (%d+)$')}
        if number[1] then
            return branch(tonumber(number[1])), tonumber(number[2]), tonumber(number[3])
        end
        -- Version 1 stored the end only.
        local finish = stored(place)
        if not finish or finish > count or tree then
            corrupt('the end of a turn cannot be decoded')
        end
        local row = branch(0)
        local later = read_back(path_to_tip(), 1, function(kept)
            local first = parse(kept)
            return first >= finish
        end)
        return row, row.size - #later - 1, finish
    end
    for number = 0, (borrowed or 0) - 1 do
        local row = branch(number)
        place = redis.call('HGET', row.ids, id)
        local source, turn, finish = string.match(place or '', '^(%d+) (%d+) (%d+)$')
        if tonumber(source) == row.source and tonumber(turn) < row.turns + row.size then
            return row, tonumber(turn), tonumber(finish)
        end
    end
end

-- Returns the path to a point: nothing for the tip, `start`, or the id of a turn.
local function path_to(point)
    if point == '' then
        local path = path_to_tip()
        path.tip = last_tip
        return path
    end
    if point == 'start' then
        return {head = with_turn(path_to_tip().head, 0), turns = 0, messages = 0}
    end
    local row, number, finish = nil, nil, nil
    if not is_over then
        row, number, finish = find(point)
    end
    if not row then
        fail('UNKNOWN ' .. point)
    end
    return {head = row, turns = number + 1, messages = finish, tip = fingerprint(point)}
end

-- Returns whether two paths end at the same point.
local function is_same(one, other)
    return one.turns == other.turns and (one.turns == 0 or one.head.number == other.head.number)
end

-- Returns whether a session is not at a version as expected (0 any, 1 the same epoch, 2 exactly).
local function is_stale(path, expect, seen_epoch, seen_count, seen_tip)
    -- A caller that saw an empty session accepts one that began since, unless it was cleared.
    local saw_nothing = seen_count == 0 and not is_cleared and seen_epoch <= epoch
    return expect > 0 and seen_epoch ~= epoch and not saw_nothing
        or expect > 0 and seen_count > path.messages
        or expect == 2 and seen_count ~= path.messages
        -- A session that was replaced, or whose tip was moved, has another turn there.
        or expect > 0 and seen_count > 0 and seen_tip ~= '' and tip_at(path, seen_count) ~= seen_tip
end
