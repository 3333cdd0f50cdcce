-- Before the scripts on a lease. Its holder is kept twice, in a key of its own and with the session,
-- so that a lease of which the server has evicted one is not given to another.
local lease, meta = KEYS[1], KEYS[2]

local kept = redis.pcall('HMGET', meta, 'epoch', 'holder', 'until')
-- A session that cannot be read has the lease of its own key only.
local is_readable = not kept.err
local is_begun, second, ends = kept[1], kept[2], tonumber(kept[3] or 0) or 0
local holder = redis.call('GET', lease)
if not holder and second and ends > now then
    holder = second
end
