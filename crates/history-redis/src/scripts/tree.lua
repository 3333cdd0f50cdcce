-- Before scripts that change a session: its expiry, its branches, and what they share.

-- Sets the expiry of a list that several sessions share, and of its ids: the last one of theirs.
local function expire_shared(row)
    local last = redis.call('ZREVRANGE', row.shared, 0, 0, 'WITHSCORES')
    local expiry = tonumber(last[2] or 'inf')
    if expiry == math.huge then
        for _, key in ipairs({row.list, row.shared, row.ids}) do
            redis.call('PERSIST', key)
        end
    else
        redis.call('PEXPIREAT', row.list, whole(expiry))
        redis.call('PEXPIREAT', row.shared, whole(expiry))
        local left = redis.call('PTTL', row.ids)
        if left >= 0 and now + left < expiry then
            redis.call('PEXPIREAT', row.ids, whole(expiry))
        end
    end
end

-- Returns the name of a session in the set of those that share a list: the turns that it needs, or all.
local function sharer(row, name)
    return (row.is_own and '-' or whole(row.turns + row.size)) .. ' ' .. name
end

-- Shares a list with a session that needs it until an expiry, or without one.
local function share(row, name, expiry)
    redis.call('ZADD', row.shared, expiry and whole(expiry) or '+inf', sharer(row, name))
end

-- Removes the turns of a list from a number on, and their ids. The keys of a damaged session can have
-- any type.
local function shorten(row, from)
    local first = math.max(from - row.turns, 0)
    local at = first
    while true do
        local page = redis.pcall('LRANGE', row.list, at, at + 99)
        if page.err then
            redis.call('DEL', row.list)
            return
        end
        for _, kept in ipairs(page) do
            local id = string.match(kept, '^%d+ %d+ (%x+%-%x+%-%x+%-%x+%-%x+) ')
            if id then
                redis.pcall('HDEL', row.ids, id)
            end
        end
        at = at + 100
        if #page < 100 then
            break
        end
    end
    if first == 0 then
        redis.call('DEL', row.list)
    else
        redis.call('LTRIM', row.list, 0, first - 1)
    end
end

-- Removes the turns of a list that no session needs any more. Returns whether some are left.
local function collect(row)
    local sharers = redis.pcall('ZRANGEBYSCORE', row.shared, '(' .. whole(now), '+inf')
    if sharers.err then
        return true
    end
    redis.call('ZREMRANGEBYSCORE', row.shared, '-inf', whole(now))
    local needed = row.turns
    for _, name in ipairs(sharers) do
        local turns_of = string.match(name, '^(%S+) ')
        if turns_of == '-' then
            expire_shared(row)
            return true
        end
        needed = math.max(needed, tonumber(turns_of) or 0)
    end
    shorten(row, needed)
    if needed > row.turns then
        expire_shared(row)
    end
    return needed > row.turns
end

-- Removes the turns, branches and notes of the session, except for turns that forks share. The state of
-- a damaged session may not be known.
local function drop(name)
    local kept = redis.pcall('HGETALL', branches)
    local own, is_needed = {}, false
    for i = 1, kept.err and 0 or #kept, 2 do
        local first, size, lent, generation, source, owner =
            string.match(kept[i + 1], '^[%d-]+ (%d+) %d+ %d+ (%d+) ([01]) (%d+) (%d+) (.*)$')
        if first then
            generation = tonumber(generation)
            local row = {turns = tonumber(first), size = tonumber(size)}
            row.is_own = owner == base and (not grown or generation == grown)
            row.list, row.ids, row.shared = keys_of(owner, generation, tonumber(source))
            if row.is_own and lent ~= '1' then
                own[#own + 1] = row
            else
                redis.pcall('ZREM', row.shared, sharer(row, name))
                is_needed = collect(row) and row.is_own or is_needed
            end
        end
    end
    for _, row in ipairs(own) do
        if is_needed then
            shorten(row, row.turns)
        else
            redis.call('DEL', row.list, row.ids)
        end
    end
    redis.call('DEL', messages, turns, ids, notes, branches)
    rows = {}
end

-- Removes the fields of a session's turns, its title and the sums over its turns.
local function clear_fields()
    redis.call('HDEL', meta, 'notes', 'earlier', 'tip', 'tree', 'head', 'turns', 'stored', 'branches', 'borrowed',
        'fork', 'title', 'bytes', 'sum:input', 'sum:output', 'sum:total', 'sum:cached', 'sum:written', 'sum:reasoning',
        'sum:cost')
    tree, borrowed, title, bytes = nil, nil, nil, 0
end

-- Removes all that a session had whose time is up.
local function forget()
    clear_fields()
    redis.call('HDEL', meta, 'used', 'created', 'labels')
    used, labels = nil, ''
end

-- Sets, or removes, the expiry of the session's keys.
local function live(lifetime, name)
    local expiry = lifetime and now + lifetime
    local keys = {turns, ids, notes}
    if earlier > 0 then
        keys[4] = messages
    end
    if expiry then
        redis.call('HSET', meta, 'expires', whole(expiry))
        redis.call('PEXPIREAT', meta, whole(expiry + day))
    elseif expires or is_new then
        -- The key of a new session can have the expiry of a lease.
        redis.call('HDEL', meta, 'expires')
        redis.call('PERSIST', meta)
    else
        return
    end
    if tree then
        local _, own = keys_of(base, tree, 0)
        keys = {branches, own, notes}
        for number = 0, branch_count - 1 do
            local row = branch(number)
            if row.lent or not row.is_own then
                share(row, name, expiry)
                redis.call('ZREMRANGEBYSCORE', row.shared, '-inf', whole(now))
                expire_shared(row)
            else
                keys[#keys + 1] = row.list
            end
        end
    end
    for _, key in ipairs(keys) do
        if expiry then
            redis.call('PEXPIREAT', key, whole(expiry))
        else
            redis.call('PERSIST', key)
        end
    end
end

-- Gives a session of one branch the form of several.
local function grow()
    if tree then
        return
    end
    local size = redis.call('LLEN', turns)
    if earlier > 0 then
        -- The turns that version 1 stored get the present form.
        local places = {}
        local found = read(branch(0), 0, size)
        for i, kept in ipairs(found) do
            local first, count_of, id = parse(kept)
            places[i] = {id, '0 ' .. whole(i - 1) .. ' ' .. whole(first + count_of)}
        end
        -- Nothing fails from here on.
        redis.call('DEL', turns)
        for i, kept in ipairs(found) do
            redis.call('RPUSH', turns, kept)
            redis.call('HSET', ids, places[i][1], places[i][2])
        end
        redis.call('DEL', messages)
        earlier = 0
    end
    -- Forks of an earlier life of the session can have its first names.
    local generation = epoch
    while redis.call('EXISTS', base .. 'ids:' .. whole(generation), base .. 'turns:' .. whole(generation) .. '.0') > 0 do
        generation = generation + 1
    end
    local list, own, shared = keys_of(base, generation, 0)
    redis.call('RENAME', turns, list)
    redis.call('RENAME', ids, own)
    tree, head, length, own_turns, branch_count, borrowed = generation, 0, size, size, 1, 0
    rows = {[0] = {
        number = 0, turns = 0, messages = 0, touched = size, size = size, generation = generation, source = 0,
        owner = base, is_own = true, list = list, ids = own, shared = shared,
    }}
    redis.call('HSET', branches, '0', text_of(rows[0]))
    redis.call('HSET', meta, 'tree', whole(tree), 'head', '0', 'turns', whole(length), 'stored', whole(own_turns),
        'branches', '1', 'borrowed', '0', 'earlier', '0', 'tip', last_tip)
    if expires then
        redis.call('PEXPIREAT', branches, whole(expires))
    end
end
