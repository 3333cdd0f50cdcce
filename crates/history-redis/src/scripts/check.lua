-- Before scripts that read the session: the server may have evicted some of its keys.
if damage then
    return damage
end
if is_new then
    if redis.call('EXISTS', messages, turns, ids, notes, branches) > 0 then
        return redis.error_reply('CORRUPT a key of the session is missing')
    end
elseif not is_over then
    local is_whole
    if tree then
        local _, own = keys_of(base, tree, 0)
        is_whole = redis.call('HLEN', branches) == branch_count and redis.call('HLEN', own) == own_turns
    else
        local size = redis.call('LLEN', turns)
        is_whole = redis.call('HLEN', ids) == size and (count == 0) == (size == 0)
            and (earlier == 0 or redis.call('LLEN', messages) == earlier)
    end
    if not is_whole or noted and redis.call('HLEN', notes) ~= noted then
        return redis.error_reply('CORRUPT a key of the session is missing')
    end
    if not last_tip and count > 0 then
        -- Version 1 did not store the tip.
        local first, size, id = parse(redis.call('LINDEX', turns, -1))
        if first + size ~= count then
            return redis.error_reply('CORRUPT turns of the session are missing')
        end
        last_tip = fingerprint(id)
    end
end
if is_over then
    tree, borrowed = nil, nil
    rows[0] = {
        number = 0, turns = 0, messages = 0, touched = 0, size = 0, is_own = true, list = turns, ids = ids,
    }
end
