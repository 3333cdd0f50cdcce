-- Before every script on LangChain's list: how it stands. The newest row is the first. What there is of an epoch is the fingerprint of the
-- oldest row.
local list = KEYS[1]
local count = redis.call('LLEN', list)
local oldest = redis.call('LINDEX', list, -1)
local epoch = oldest and tonumber(string.sub(redis.sha1hex(oldest), 1, 12), 16) or 0
