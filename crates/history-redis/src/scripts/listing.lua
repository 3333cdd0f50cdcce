-- Before scripts that change what a list shows of a session. `listed` has an element for each session,
-- and one for each of its labels: the label's name and value or nothing, the time of its last use in
-- milliseconds, and the session's name, as lines. All have the score 0, so that they are in that order.

-- Ends the script if a list has another type, before anything is written.
local function check_lists()
    redis.call('ZCARD', index)
    redis.call('ZCARD', listed)
end

-- Calls a function with the elements of a session that was last used at a time.
local function each_place(name, labels_of, time, call)
    local place = '\n' .. string.format('%015.0f', time) .. '\n' .. name
    call(place)
    for label, value in string.gmatch(labels_of, '([^\n]*)\n([^\n]*)\n') do
        call(label .. '\n' .. value .. place)
    end
end

-- Removes the session from the list.
local function unlist(name)
    if used then
        each_place(name, labels, used, function(place)
            redis.call('ZREM', listed, place)
        end)
    end
end

-- Adds the session to the list, with the labels and the time that it has now.
local function list_it(name)
    each_place(name, labels, used, function(place)
        redis.call('ZADD', listed, 0, place)
    end)
end

-- Moves the session in the list to the time of a turn.
local function list_at(name, time)
    if not used or time > used then
        unlist(name)
        used = time
    end
    list_it(name)
end

-- Returns the time in an id, if it is a UUID of version 7.
local function time_of(id)
    local high, low = string.match(id, '^(%x%x%x%x%x%x%x%x)%-(%x%x%x%x)%-7')
    return high and tonumber(high .. low, 16)
end

-- Describes a session that an earlier version stored.
local function describe(name)
    if used or is_over or count == 0 and not tree then
        return
    end
    local path = path_to('')
    local size, page = 0, 0
    local first, last = nil, 0
    for from = 0, path.turns - 1, 256 do
        for _, kept in ipairs(read(path.head, from, math.min(from + 256, path.turns))) do
            local _, _, id = parse(kept)
            local time = time_of(id)
            size = size + #kept - #string.match(kept, '^[^%[]*')
            first, last = first or time, math.max(last, time or 0)
        end
    end
    used, bytes = math.min(last, now), size
    redis.call('HSET', meta, 'used', whole(used), 'bytes', whole(bytes))
    if first then
        redis.call('HSET', meta, 'created', whole(first))
    end
    list_it(name)
end

-- Begins a session that has no turns yet, and removes what is left of one whose time is up.
local function begin(name, lifetime)
    if is_over then
        unlist(name)
        drop(name)
        forget()
    end
    if is_new or is_over then
        redis.call('HSET', meta, 'epoch', whole(epoch), 'cleared', is_cleared and 1 or 0, 'messages', 0, 'earlier', 0)
        live(lifetime, name)
    end
    describe(name)
    if not used then
        used = now
        redis.call('HSET', meta, 'used', whole(now), 'created', whole(now))
    end
end

-- Adds the session to the list if it has turns, a title or labels, and removes it otherwise.
local function list_if_shown(name)
    if count > 0 or tree or title or labels ~= '' then
        list_it(name)
    else
        unlist(name)
    end
end
