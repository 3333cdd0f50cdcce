-- Before scripts that read the session: the server may have evicted some of its keys.
if damage then
    return damage
end
if is_new then
    if redis.call('EXISTS', messages, turns, ids, notes) > 0 then
        return redis.error_reply('CORRUPT a key of the session is missing')
    end
elseif not is_over then
    last_first, last_size, last_id = parse(redis.call('LINDEX', turns, -1))
    if redis.call('LLEN', messages) ~= count
        or redis.call('HLEN', ids) ~= redis.call('LLEN', turns)
        or count > 0 and (not last_first or last_first + last_size ~= count)
        or noted and redis.call('HLEN', notes) ~= noted
    then
        return redis.error_reply('CORRUPT a key of the session is missing')
    end
end
