-- Copies turns of a fork to keys that it takes when all are there. Returns their number.
-- ARGV: the id of the fork, the number of turns that are there, milliseconds that the keys are kept, and
-- turns, each with its messages.
local turns, ids = string.sub(KEYS[1], 1, -5) .. 'fork:' .. ARGV[1], string.sub(KEYS[1], 1, -5) .. 'forked:' .. ARGV[1]
local number = redis.call('LLEN', turns)
if number == tonumber(ARGV[2]) then
    for at = 4, #ARGV do
        local first, size, id = string.match(ARGV[at], '^(%d+) (%d+) (%x+%-%x+%-%x+%-%x+%-%x+) ')
        if not first then
            return redis.error_reply('CORRUPT a turn of the session cannot be decoded')
        end
        redis.call('RPUSH', turns, ARGV[at])
        redis.call('HSET', ids, id, string.format('0 %.0f %.0f', number, first + size))
        number = number + 1
    end
    redis.call('PEXPIRE', turns, ARGV[3])
    redis.call('PEXPIRE', ids, ARGV[3])
end
return number
