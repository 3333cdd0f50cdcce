-- Begins a session with the turns of another one up to a point. They are shared. Returns whether the
-- new session is not empty, and its version.
-- ARGV: the deadline, the point, the names of both sessions, the id of the fork, the lifetime in
-- milliseconds or nothing, and the most labels. KEYS: those of the session, and then those of the new one.
local name, into, fork_id, lifetime = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local path = path_to(ARGV[2])
local new_base, new_meta, new_index = string.sub(KEYS[10], 1, -5), KEYS[10], KEYS[16]
local new = redis.call('HMGET', new_meta, 'epoch', 'cleared', 'messages', 'expires', 'tree', 'fork', 'tip',
    'labels', 'used', 'created')
local new_epoch = stored(new[1] or redis.call('GET', KEYS[17])) or 0
local new_count, new_expires = stored(new[3]) or 0, stored(new[4])
if damage then
    return damage
end
local new_is_over = new_expires and new_expires <= now
if new_is_over then
    -- Its keys go with the next turn; a fork needs their names now.
    return redis.error_reply('EXPIRED the time of the session is up')
end
if new[6] == fork_id then
    return {0, new_epoch, new_count, new[7] or ''}
end
if new_count > 0 or new[5] then
    return {1, new_epoch, new_count, new[7] or ''}
end
if not new[1] and redis.call('EXISTS', KEYS[11], KEYS[12], KEYS[13], KEYS[14], new_base .. 'branches') > 0 then
    return redis.error_reply('CORRUPT a key of the session is missing')
end
-- Gives the new session labels of the source, and lists it as one that is used now.
local function describe_new(source_labels)
    local source_used = used
    labels, used = new[8] or '', stored(new[9])
    unlist(into)
    labels, used = with_labels(source_labels, tonumber(ARGV[7])), now
    list_it(into)
    redis.call('HSET', new_meta, 'used', whole(now), 'created', new[10] or whole(now))
    if labels ~= '' then
        redis.call('HSET', new_meta, 'labels', labels)
    end
    labels, used = source_labels, source_used
end
if path.turns == 0 then
    local source_labels = is_over and '' or labels
    labels = new[8] or ''
    if with_labels(source_labels, tonumber(ARGV[7])) == labels then
        -- A session without turns and labels is not one.
        return {0, new_epoch, 0, ''}
    end
    check_lists()
    redis.call('ZADD', new_index, 0, into)
    describe_new(source_labels)
    if not new[1] then
        redis.call('HSET', new_meta, 'epoch', whole(new_epoch), 'cleared', 0, 'messages', 0, 'earlier', 0)
        redis.call('PERSIST', new_meta)
        if lifetime then
            redis.call('HSET', new_meta, 'expires', whole(now + lifetime))
            redis.call('PEXPIREAT', new_meta, whole(now + lifetime + day))
        end
    end
    return {0, new_epoch, 0, ''}
end
check_lists()
redis.call('ZADD', index, 0, name)
redis.call('ZADD', new_index, 0, into)
grow()
-- The branches on the path, from its end, each up to where the next one leaves it.
local chain, row, upto = {}, branch(path.head.number), path.turns
while row do
    chain[#chain + 1] = {row = row, size = upto - row.turns}
    upto = row.turns
    row = upto > 0 and parent_of(row) or nil
end
local expiry = lifetime and now + lifetime
for i = 1, #chain do
    local part = chain[#chain + 1 - i]
    row = part.row
    if row.is_own and not row.lent then
        row.lent = true
        redis.call('HSET', branches, whole(row.number), text_of(row))
        share(row, name, expires)
    end
    local shared = {
        number = i - 1, parent = i > 1 and i - 2 or nil, turns = row.turns, messages = row.messages, touched = i - 1,
        size = part.size, lent = false, generation = row.generation, source = row.source, owner = row.owner,
        list = row.list, ids = row.ids, shared = row.shared,
    }
    redis.call('HSET', new_base .. 'branches', whole(i - 1), text_of(shared))
    share(shared, into, expiry)
    if expires or expiry then
        -- What a session without an expiry shares has none already.
        expire_shared(shared)
    end
end
local generation = new_epoch
while redis.call('EXISTS', new_base .. 'ids:' .. whole(generation), new_base .. 'turns:' .. whole(generation) .. '.0',
    new_base .. 'turns:' .. whole(generation) .. '.' .. whole(#chain)) > 0
do
    generation = generation + 1
end
describe(name)
describe_new(labels)
redis.call('HSET', new_meta, 'epoch', whole(new_epoch), 'cleared', new[2] == '1' and 1 or 0, 'messages',
    whole(path.messages), 'earlier', '0', 'tip', path.tip, 'tree', whole(generation), 'head', whole(#chain - 1), 'turns',
    whole(path.turns), 'stored', '0', 'branches', whole(#chain), 'borrowed', whole(#chain), 'fork', fork_id)
if expiry then
    redis.call('HSET', new_meta, 'expires', whole(expiry))
    redis.call('PEXPIREAT', new_meta, whole(expiry + day))
    redis.call('PEXPIREAT', new_base .. 'branches', whole(expiry))
else
    redis.call('PERSIST', new_meta)
end
return {0, new_epoch, path.messages, path.tip}
